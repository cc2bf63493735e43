"""Records and keywords of Programmable Wireless, for annotations: `asyncsim.wireless.Sim`.

`client.wireless` returns these records and takes these keywords.
"""

from asyncsim.models.common import HttpMethod
from asyncsim.models.wireless.commands import (
    Command,
    CommandCreate,
    CommandFilter,
    CommandMode,
    CommandStatus,
    Direction,
    KnownStatus as KnownCommandStatus,
    Transport,
)
from asyncsim.models.wireless.data_sessions import (
    CellLocation,
    DataSession,
    DataSessionFilter,
)
from asyncsim.models.wireless.rate_plans import (
    RatePlan,
    RatePlanCreate,
    RatePlanFilter,
    RatePlanUpdate,
)
from asyncsim.models.wireless.sims import (
    FilterStatus,
    KnownStatus as KnownSimStatus,
    RequestableStatus,
    Sim,
    SimFilter,
    SimStatus,
    SimUpdate,
)
from asyncsim.models.wireless.usage_records import (
    AccountUsageRecord,
    CommandCounts,
    CommandUsage,
    CountryCommandCounts,
    CountryDataCounts,
    DataCounts,
    DataUsage,
    Period,
    UsageFilter,
    UsageRecord,
)

__all__ = [
    "AccountUsageRecord",
    "CellLocation",
    "Command",
    "CommandCounts",
    "CommandCreate",
    "CommandFilter",
    "CommandMode",
    "CommandStatus",
    "CommandUsage",
    "CountryCommandCounts",
    "CountryDataCounts",
    "DataCounts",
    "DataSession",
    "DataSessionFilter",
    "DataUsage",
    "Direction",
    "FilterStatus",
    "HttpMethod",
    "KnownCommandStatus",
    "KnownSimStatus",
    "Period",
    "RatePlan",
    "RatePlanCreate",
    "RatePlanFilter",
    "RatePlanUpdate",
    "RequestableStatus",
    "Sim",
    "SimFilter",
    "SimStatus",
    "SimUpdate",
    "Transport",
    "UsageFilter",
    "UsageRecord",
]

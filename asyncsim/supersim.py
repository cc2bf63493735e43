"""Records and keywords of Super SIM, for annotations: `asyncsim.supersim.Sim`, `SimUpdate`.

`client.supersim` returns these records and takes these keywords.
"""

from asyncsim.models.common import HttpMethod
from asyncsim.models.supersim.billing_periods import (
    BillingPeriod,
    BillingPeriodFilter,
    PeriodType,
)
from asyncsim.models.supersim.esim_profiles import (
    ESimProfile,
    ESimProfileCreate,
    ESimProfileFilter,
    ESimProfileStatus,
    KnownStatus as KnownESimProfileStatus,
)
from asyncsim.models.supersim.fleets import (
    DataMetering,
    Fleet,
    FleetCreate,
    FleetFilter,
    FleetUpdate,
)
from asyncsim.models.supersim.ip_addresses import (
    IpAddress,
    IpAddressFilter,
    IpVersion,
)
from asyncsim.models.supersim.ip_commands import (
    Direction,
    IpCommand,
    IpCommandCreate,
    IpCommandFilter,
    IpCommandStatus,
    KnownStatus as KnownIpCommandStatus,
    PayloadType,
)
from asyncsim.models.supersim.network_access_profile_networks import (
    NetworkAccessProfileNetwork,
    NetworkAccessProfileNetworkCreate,
    NetworkAccessProfileNetworkFilter,
)
from asyncsim.models.supersim.network_access_profiles import (
    NetworkAccessProfile,
    NetworkAccessProfileCreate,
    NetworkAccessProfileFilter,
    NetworkAccessProfileUpdate,
)
from asyncsim.models.supersim.networks import (
    Identifier,
    Network,
    NetworkFilter,
)
from asyncsim.models.supersim.settings_updates import (
    KnownStatus as KnownSettingsUpdateStatus,
    SettingsPackage,
    SettingsUpdate,
    SettingsUpdateFilter,
    SettingsUpdateStatus,
)
from asyncsim.models.supersim.sims import (
    KnownStatus as KnownSimStatus,
    RequestableStatus,
    Sim,
    SimFilter,
    SimRegister,
    SimStatus,
    SimUpdate,
)
from asyncsim.models.supersim.sms_commands import (
    KnownStatus as KnownSmsCommandStatus,
    SmsCommand,
    SmsCommandCreate,
    SmsCommandFilter,
    SmsCommandStatus,
)
from asyncsim.models.supersim.usage_records import (
    UsageFilter,
    UsagePeriod,
    UsageRecord,
)

__all__ = [
    "BillingPeriod",
    "BillingPeriodFilter",
    "DataMetering",
    "Direction",
    "ESimProfile",
    "ESimProfileCreate",
    "ESimProfileFilter",
    "ESimProfileStatus",
    "Fleet",
    "FleetCreate",
    "FleetFilter",
    "FleetUpdate",
    "HttpMethod",
    "Identifier",
    "IpAddress",
    "IpAddressFilter",
    "IpCommand",
    "IpCommandCreate",
    "IpCommandFilter",
    "IpCommandStatus",
    "IpVersion",
    "KnownESimProfileStatus",
    "KnownIpCommandStatus",
    "KnownSettingsUpdateStatus",
    "KnownSimStatus",
    "KnownSmsCommandStatus",
    "Network",
    "NetworkAccessProfile",
    "NetworkAccessProfileCreate",
    "NetworkAccessProfileFilter",
    "NetworkAccessProfileNetwork",
    "NetworkAccessProfileNetworkCreate",
    "NetworkAccessProfileNetworkFilter",
    "NetworkAccessProfileUpdate",
    "NetworkFilter",
    "PayloadType",
    "PeriodType",
    "RequestableStatus",
    "SettingsPackage",
    "SettingsUpdate",
    "SettingsUpdateFilter",
    "SettingsUpdateStatus",
    "Sim",
    "SimFilter",
    "SimRegister",
    "SimStatus",
    "SimUpdate",
    "SmsCommand",
    "SmsCommandCreate",
    "SmsCommandFilter",
    "SmsCommandStatus",
    "UsageFilter",
    "UsagePeriod",
    "UsageRecord",
]

"""Records and keywords of the audit trail, for annotations: `asyncsim.monitor.Event`.

`client.monitor` returns these records and takes these keywords.
"""

from asyncsim.models.monitor.events import (
    Changed,
    Event,
    EventFilter,
    SimEvent,
)

__all__ = [
    "Changed",
    "Event",
    "EventFilter",
    "SimEvent",
]

"""The Monitor Event, and the history of a Programmable Wireless Sim.

Sources: twilio_monitor_v1; Twilio docs, "Monitor Events resource"; KORE docs, "Wireless Sim
Resource" (the shape of `event_data`).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from attrs import field, frozen

from asyncsim.kind import Kind
from asyncsim.models.common import PageParams, VendorRecord
from asyncsim.vendors import Product


@frozen(kw_only=True)
class Event(VendorRecord):
    """One event; kept for 30 days."""

    sid: str
    """AE and 32 hex digits."""
    account_sid: str | None = None
    actor_sid: str | None = None
    """A user (US...) or an account (AC...)."""
    actor_type: str | None = None
    """`account`, `user`, `twilio-admin`."""
    description: str | None = None
    event_data: dict[str, Any] | None = field(default=None, hash=False)
    event_date: datetime | None = None
    event_type: str | None = None
    """`wireless-sim.updated`, ..."""
    resource_sid: str | None = None
    resource_type: str | None = None
    source: str | None = None
    """`api`, `web`, `twilio`."""
    source_ip_address: str | None = None
    url: str | None = None
    links: dict[str, str] | None = field(default=None, hash=False)


@frozen(kw_only=True)
class Changed:
    """A property before and after; either may be missing."""

    previous: str | None = None
    updated: str | None = None


@frozen(kw_only=True)
class SimEvent(VendorRecord):
    """One entry of a SIM's history: the only two properties that are recorded."""

    date: datetime | None
    status: Changed | None
    rate_plan_sid: Changed | None
    source: str | None
    """`api`, `web`, `twilio` (by itself)."""
    event: Event
    """The event it was read from."""


class EventFilter(PageParams, total=False):
    """Keywords of `list`; besides dates at most one, or the vendor rejects the request."""

    actor_sid: str
    event_type: str
    resource_sid: str
    source_ip_address: str
    start_date: datetime
    end_date: datetime


EVENTS = Kind(
    noun="Event",
    product=Product.MONITOR,
    path="/v1/Events",
    key="events",
    sid_prefix="AE",
    model=Event,
    filters=EventFilter,
)

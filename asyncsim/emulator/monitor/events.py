"""Monitor Events. Sources: twilio_monitor_v1; Twilio docs, Monitor Events resource."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from asyncsim.emulator.context import StoredResource
from asyncsim.emulator.errors import VendorError
from asyncsim.emulator.lists import equal, not_after, not_before
from asyncsim.emulator.params import Params
from asyncsim.models.monitor.events import EVENTS, Event
from asyncsim.models.wireless.sims import SIMS
from asyncsim.vendors import Product

_EXCLUSIVE = ("actor_sid", "event_type", "resource_sid", "source_ip_address")


def links(record: Event, base: str) -> dict[str, str]:
    """Who did it, and to what."""
    rooms = base.removesuffix(Product.MONITOR)
    return {
        "actor": f"https://api.twilio.com/2010-04-01/Accounts/{record.actor_sid}",
        "resource": f"{rooms}{Product.WIRELESS}{SIMS.path}/{record.resource_sid}",
    }


def check_query(query: Params) -> None:
    """Of the filters that are no dates, at most one; no code is published."""
    given: list[Any] = [keyword for keyword in _EXCLUSIVE if keyword in query]
    if len(given) > 1:
        raise VendorError(20001, f"Only one of these can be given: {', '.join(given)}")


RESOURCE = StoredResource(
    kind=EVENTS,
    links=links,
    filters={
        **{keyword: equal(keyword) for keyword in _EXCLUSIVE},
        "start_date": not_before("event_date", Product.MONITOR),
        "end_date": not_after("event_date", Product.MONITOR),
    },
    check_query=check_query,
    retention=timedelta(days=30),
)

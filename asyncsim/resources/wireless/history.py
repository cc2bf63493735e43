"""History of a Programmable Wireless SIM, from the account's audit trail."""

from __future__ import annotations

from typing import Any

from asyncsim.models.monitor.events import Changed, Event, SimEvent


def sim_event(event: Event) -> SimEvent:
    """Read an event as one entry of a SIM's history.

    KORE docs, "Wireless Sim Resource": only `status` and `rate_plan_sid` are ever recorded, under
    `resource_properties`; the generic example of Twilio's Monitor page has no such level.
    """
    data: dict[str, Any] = event.event_data or {}
    properties = data.get("resource_properties", data)
    return SimEvent(
        date=event.event_date,
        status=_changed(properties, "status"),
        rate_plan_sid=_changed(properties, "rate_plan_sid"),
        source=event.source,
        event=event,
    )


def _changed(properties: Any, name: str) -> Changed | None:
    pair = properties.get(name) if isinstance(properties, dict) else None
    if not isinstance(pair, dict):
        return None
    return Changed(previous=_text(pair.get("previous")), updated=_text(pair.get("updated")))


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None

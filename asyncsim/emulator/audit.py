"""What is remembered of SIMs: when they were connected and, at Twilio, the audit trail.

Sources: KORE docs, Wireless Sim Resource, for the two properties that events report; Twilio docs,
Monitor Events resource, for the rest of an event.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from asyncsim.emulator.conditions import Conditions
from asyncsim.emulator.lifecycle import AUTOMATIC
from asyncsim.emulator.store import Store
from asyncsim.emulator.world import World
from asyncsim.models.monitor.events import EVENTS
from asyncsim.wire.forms import format_date

CONNECTED = frozenset({"ready", "active"})
"""Statuses in which a device can use the network."""

_REPORTED = ("status", "rate_plan_sid")


class Chronicle:
    """Watches the SIMs of all accounts."""

    def __init__(self, conditions: Conditions) -> None:
        self._conditions = conditions

    def serve(self, world: World) -> None:
        """Remember what becomes of an account's SIMs."""
        for product in ("wireless", "supersim"):
            store = world.sims(product)
            store.watch(partial(_keep_spans, world, store))
        if world.vendor.hosts.monitor:
            sims = world.sims("wireless")
            sims.watch(partial(self._keep_events, world, sims))

    def _keep_events(self, world: World, store: Store[Any], before: Any, record: Any) -> None:
        known = store.notes(record.sid).get("reported")
        is_passing = record.status in store.kind.pending
        if (
            known is not None
            and is_passing
            and not self._conditions.behaviour.monitor_shows_pending
        ):
            return
        now = {name: getattr(record, name) for name in _REPORTED}
        if now == known:
            return
        store.annotate(record.sid, reported=now)
        if before is not None and known is not None:
            _report(world, record, before.status, known, now)


def _report(
    world: World, record: Any, status: str, known: dict[str, Any], now: dict[str, Any]
) -> None:
    changed = {
        name: {"previous": known[name], "updated": now[name]}
        for name in _REPORTED
        if known[name] != now[name]
    }
    automatic = AUTOMATIC[world.sims("wireless").kind.product].get(status)
    # Only what a SIM does by itself leaves a settled status without passing a pending one.
    by_itself = automatic is not None and automatic.to == record.status
    world.add(
        EVENTS,
        actor_sid=world.account_sid,
        actor_type="account",
        event_data={"resource_properties": changed},
        event_date=world.now(),
        event_type="wireless-sim.updated",
        resource_sid=record.sid,
        resource_type="wireless-sim",
        source="twilio" if by_itself else "api",
        source_ip_address=None if by_itself else "127.0.0.1",
    )


def _keep_spans(world: World, store: Store[Any], before: Any, record: Any) -> None:
    """Note since when, and until when, a SIM was connected, in which status and which Fleet."""
    if record.status in store.kind.pending:
        return  # meanwhile the SIM stays what it was
    spans = store.notes(record.sid).get("spans", [])
    *closed, last = spans or [None]
    open_now = last if last is not None and last[1] is None else None
    place = getattr(record, "fleet_sid", None)
    wanted = [record.status, place] if record.status in CONNECTED else None
    if (open_now[2:] if open_now else None) == wanted:
        return
    moment = format_date(record.date_created if before is None else world.now())
    if open_now is not None:
        spans = [*closed, [open_now[0], moment, *open_now[2:]]]
    if wanted is not None:
        spans = [*spans, [moment, None, *wanted]]
    store.annotate(record.sid, spans=spans)

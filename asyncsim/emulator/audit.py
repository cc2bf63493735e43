"""History of SIMs: when they were connected and, at Twilio, the Monitor events of their changes.

Sources: KORE docs, Wireless Sim Resource, for the two properties that events report; Twilio docs,
Monitor Events resource, for the rest of an event.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from asyncsim.emulator.settings import RuntimeSettings
from asyncsim.emulator.store import RecordStore
from asyncsim.emulator.transitions import AUTOMATIC, CONNECTED
from asyncsim.emulator.world import World
from asyncsim.models.monitor.events import EVENTS
from asyncsim.wire.forms import format_date

_REPORTED = ("status", "rate_plan_sid")


class AuditLog:
    """Listens to the changes of all SIMs, and records them."""

    def __init__(self, settings: RuntimeSettings) -> None:
        self._settings = settings

    def attach(self, world: World) -> None:
        """Record the changes of an account's SIMs."""
        for product in ("wireless", "supersim"):
            store = world.sims(product)
            store.watch(partial(_record_connection, world, store))
        if world.vendor.hosts.monitor:
            sims = world.sims("wireless")
            sims.watch(partial(self._record_event, world, sims))

    def _record_event(
        self, world: World, store: RecordStore[Any], before: Any, record: Any
    ) -> None:
        known = store.notes(record.sid).get("reported")
        shows_pending = self._settings.behaviour.monitor_shows_pending
        if known is not None and record.status in store.kind.pending and not shows_pending:
            return
        now = {name: getattr(record, name) for name in _REPORTED}
        if now == known:
            return
        store.annotate(record.sid, reported=now)
        if before is None or known is None:
            return
        changed = {
            name: {"previous": known[name], "updated": now[name]}
            for name in _REPORTED
            if known[name] != now[name]
        }
        # Only an automatic transition leaves a final status without passing a pending one.
        automatic = AUTOMATIC[store.kind.product].get(before.status)
        is_automatic = automatic is not None and automatic.to == record.status
        world.add(
            EVENTS,
            actor_sid=world.account_sid,
            actor_type="account",
            event_data={"resource_properties": changed},
            event_date=world.now(),
            event_type="wireless-sim.updated",
            resource_sid=record.sid,
            resource_type="wireless-sim",
            source="twilio" if is_automatic else "api",
            source_ip_address=None if is_automatic else "127.0.0.1",
        )


def _record_connection(world: World, store: RecordStore[Any], before: Any, record: Any) -> None:
    """Note from when to when a SIM was connected, in which status and which Fleet."""
    if record.status in store.kind.pending:
        return  # until it settles, the SIM counts as what it was
    spans = store.notes(record.sid).get("spans", [])
    *closed, last = spans or [None]
    current = last if last is not None and last[1] is None else None
    fleet_sid = getattr(record, "fleet_sid", None)
    wanted = [record.status, fleet_sid] if record.status in CONNECTED else None
    if (current[2:] if current else None) == wanted:
        return
    now = format_date(record.date_created if before is None else world.now())
    if current is not None:
        spans = [*closed, [current[0], now, *current[2:]]]
    if wanted is not None:
        spans = [*spans, [now, None, *wanted]]
    store.annotate(record.sid, spans=spans)

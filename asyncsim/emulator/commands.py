"""Commands and eSIM reservations on their way, and what devices send.

Sources: Twilio docs and KORE docs, Command, SMSCommand, IPCommand and ESimProfile resources. The
parameters of callbacks are those of a captured callback of an SMS from a device; the other kinds
follow it.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from attrs import asdict, evolve

from asyncsim.emulator import identity
from asyncsim.emulator.callbacks import Outbox
from asyncsim.emulator.conditions import Conditions
from asyncsim.emulator.letters import Callback
from asyncsim.emulator.messages import (
    address_of,
    called_for,
    failure,
    inbound_url,
    is_reachable,
    parameters,
    sim_of,
)
from asyncsim.emulator.scheduler import Agenda, Errand
from asyncsim.emulator.store import Store
from asyncsim.emulator.transitions import Carrier
from asyncsim.emulator.world import World
from asyncsim.kind import Kind
from asyncsim.models.supersim.esim_profiles import ESIM_PROFILES
from asyncsim.models.supersim.ip_commands import IP_COMMANDS
from asyncsim.models.supersim.sms_commands import SMS_COMMANDS
from asyncsim.models.wireless.commands import COMMANDS

SEND, CONFIRM, RESERVE = "send", "confirm", "reserve"

_CARRIED: dict[str, Kind[Any]] = {
    kind.sid_prefix: kind for kind in (COMMANDS, SMS_COMMANDS, IP_COMMANDS, ESIM_PROFILES)
}
_ENOUGH_COMMANDS = 5
"""To or from a `ready` SIM: it becomes `active`."""
_TRIED_FOR = 24 * 3600.0
"""Seconds in which an SMS is tried again (KORE docs, SMSCommand Resource)."""
_SMDP_PLUS = {"twilio": "sm-dp-plus.twilio.com", "kore": "sm-dp-plus.korewireless.com"}
_NO_PROFILE = {"error_code": "83500", "error_message": "No eSIM profiles are available"}


class Courier:
    """Everything but SIMs that changes by itself."""

    def __init__(
        self, agenda: Agenda, conditions: Conditions, outbox: Outbox, carrier: Carrier
    ) -> None:
        self._agenda = agenda
        self._conditions = conditions
        self._outbox = outbox
        self._carrier = carrier
        self._worlds: dict[str, World] = {}
        agenda.handle(SEND, self._send)
        agenda.handle(CONFIRM, self._confirm)
        agenda.handle(RESERVE, self._reserve)

    def serve(self, world: World) -> None:
        """Carry what an account has."""
        self._worlds[world.vendor.name] = world.root
        for kind in _CARRIED.values():
            store = world.store(kind)
            store.watch(partial(self._notice, world, store))

    def _notice(self, world: World, store: Store[Any], before: Any, record: Any) -> None:
        if before is None:
            self._begin(world, store, record)
        elif before.status != record.status:
            self._call_back(world, store, record)
            if record.status == "sent":
                self._count(world, record)

    def _begin(self, world: World, store: Store[Any], record: Any) -> None:
        if record.status == "queued":
            self._later(SEND, "sending", world, record)
        elif record.status == "received":
            if callback := inbound_url(world, record):
                self._owe(world, record, callback)
            self._count(world, record)
        elif store.kind is ESIM_PROFILES and record.status == "new":
            self._later(RESERVE, "reserving", world, record)
        elif store.kind is ESIM_PROFILES and record.status == "reserving":
            self._later(RESERVE, "reservation", world, record)

    def _later(self, what: str, latency: str, world: World, record: Any) -> None:
        body = {"vendor": world.vendor.name, "sid": record.sid}
        key = f"{world.vendor.name} {record.sid}"
        self._agenda.put(what, key, self._conditions.takes(latency), body)

    def _find(self, errand: Errand) -> tuple[World, Store[Any], Any]:
        """The record an errand is about, None if it has been deleted; the errand is done."""
        self._agenda.drop(errand.what, errand.key)
        sid, root = errand.body["sid"], self._worlds[errand.body["vendor"]]
        kind = _CARRIED[sid[:2]]
        world = next((one for one in root.family() if sid in one.store(kind)), root)
        return world, world.store(kind), world.store(kind).get(sid)

    def _send(self, errand: Errand) -> None:
        world, store, record = self._find(errand)
        if record is None:
            return
        strikes = self._conditions.strikes("failing_commands")
        if error := failure(world, record, strikes=strikes):
            store.annotate(record.sid, error=error)
            _move(world, store, record, "failed")
            return
        # KORE docs, IPCommand Resource: the address is null until sent.
        is_ip = store.kind is IP_COMMANDS
        where = {"device_ip": address_of(world, sim_of(world, record))} if is_ip else {}
        record = _move(world, store, record, "sent", **where)
        # UDP confirms nothing; a text message only if a receipt was asked for.
        if getattr(record, "delivery_receipt_requested", store.kind is SMS_COMMANDS):
            self._later(CONFIRM, "receipt", world, record)

    def _confirm(self, errand: Errand) -> None:
        world, store, record = self._find(errand)
        if record is None or record.status != "sent":
            return
        if is_reachable(world, record):
            _move(world, store, record, "delivered")
        elif (world.now() - record.date_created).total_seconds() < _TRIED_FOR:
            self._later(CONFIRM, "resending", world, record)

    def _reserve(self, errand: Errand) -> None:
        world, store, record = self._find(errand)
        if record is None or record.status not in store.kind.pending:
            return
        if record.status == "new":
            record = _move(world, store, record, "reserving")
            self._later(RESERVE, "reservation", world, record)
        elif self._conditions.strikes("failing_reservations"):
            _move(world, store, record, "failed", **_NO_PROFILE)
        else:
            _move(world, store, record, "available", **_reserved(world, store, record))

    def _call_back(self, world: World, store: Store[Any], record: Any) -> None:
        kept = store.notes(record.sid).get("callback")
        if kept and called_for(store.kind, record.status, self._conditions.behaviour):
            self._owe(world, record, Callback(**kept), store.notes(record.sid).get("error"))

    def _owe(
        self, world: World, record: Any, callback: Callback, error: dict[str, str] | None = None
    ) -> None:
        params = {**parameters(world, record), **(error or {})}
        self._outbox.owe(world.vendor.name, record.sid, callback, params)

    def _count(self, world: World, record: Any) -> None:
        """Count the Commands of a `ready` SIM: the fifth makes it `active`."""
        product = "wireless" if record.sid.startswith("DC") else "supersim"
        sims = world.sims(product)
        sim = sims.get(record.sim_sid)
        counted = self._conditions.behaviour.wireless_counted_commands
        # Super SIM counts SMS Commands only; IP Commands are data.
        if sim is None or record.sid.startswith("HG"):
            return
        if product == "wireless" and record.direction not in counted:
            return
        number = sims.notes(sim.sid).get("commands", 0) + 1
        sims.annotate(sim.sid, commands=number)
        if number >= _ENOUGH_COMMANDS:
            self._carrier.hasten(world, sim)


def _move(world: World, store: Store[Any], record: Any, status: str, **fields: Any) -> Any:
    return store.put(evolve(record, status=status, date_updated=world.now(), **fields))


def _reserved(world: World, store: Store[Any], record: Any) -> dict[str, Any]:
    """What comes with a reservation: a `new` Sim, and where to download its profile."""
    sim = world.add_sim("supersim")
    host = _SMDP_PLUS[world.vendor.name]
    fields = {"iccid": sim.iccid, "sim_sid": sim.sid, "smdp_plus_address": host}
    if store.notes(record.sid).get("generate_matching_id"):
        drawn = identity.digest(world.seed, "matching", record.sid)[:25].upper()
        matching_id = "-".join(drawn[at : at + 5] for at in range(0, 25, 5))
        fields["matching_id"] = matching_id
        fields["activation_code"] = f"1${host.upper()}${matching_id}"
    return fields


def kept(callback: Callback | None) -> dict[str, Any] | None:
    """A callback as notes keep it."""
    return None if callback is None else asdict(callback)

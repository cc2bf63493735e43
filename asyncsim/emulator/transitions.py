"""The mobile operator behind the vendor: carries accepted changes out, later.

A change runs through its pending statuses, then either comes to pass or fails and leaves the SIM
as it was. What a SIM does by itself (ready to active, deactivated to canceled) happens here too.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from attrs import asdict, evolve, frozen

from asyncsim.emulator.callbacks import Outbox
from asyncsim.emulator.conditions import Conditions
from asyncsim.emulator.letters import Callback
from asyncsim.emulator.lifecycle import AUTOMATIC, calls_back_twice
from asyncsim.emulator.scheduler import Agenda, Errand
from asyncsim.emulator.store import Store
from asyncsim.emulator.world import World
from asyncsim.vendors import Product

SETTLE, AUTOMATE, RESET = "settle", "automate", "reset"

# The documents do not say which codes a failed change calls back with; 33000 is the generic one.
_FAILURE = {"ErrorCode": "33000", "ErrorMessage": "The operator could not apply the change"}
# Twilio docs, error 33201: a suspended account's pending requests are cancelled.
_SUSPENDED = {"ErrorCode": "33201", "ErrorMessage": "The Account is suspended"}

ENOUGH_BYTES = 250_000
"""Data that makes a `ready` SIM `active` (Twilio docs and KORE docs, Sim resource)."""


@frozen
class Change:
    """An accepted asynchronous change: the statuses on the way, what is true in the end."""

    steps: tuple[str, ...]
    target: Mapping[str, str | None]
    callback: Callback | None = None


class Carrier:
    """Changes under way at one vendor."""

    def __init__(self, agenda: Agenda, conditions: Conditions, outbox: Outbox) -> None:
        self._agenda = agenda
        self._conditions = conditions
        self._outbox = outbox
        self._worlds: dict[str, World] = {}
        agenda.handle(SETTLE, self._settle)
        agenda.handle(AUTOMATE, self._automate)
        agenda.handle(RESET, self._finish_reset)

    def serve(self, world: World) -> None:
        """Carry out the changes of a vendor's SIMs."""
        self._worlds[world.vendor.name] = world.root
        for product in ("wireless", "supersim"):
            store = world.sims(product)
            store.watch(partial(self._notice, world, store))

    def accept(self, world: World, store: Store[Any], record: Any, change: Change) -> Any:
        """Begin a change; returns the record as it stands meanwhile."""
        number = store.notes(record.sid).get("changes", 0) + 1
        share = self._conditions.transition(record.sid, number) / len(change.steps)
        body = {
            "before": record.status,
            "steps": list(change.steps[1:]),
            "target": dict(change.target),
            "callback": _kept(change.callback),
            "fails": self._conditions.strikes("failing_updates"),
            "share": share,
        }
        self._agenda.put(SETTLE, _key(world, record), share, {**_address(store, record), **body})
        meanwhile = evolve(record, status=change.steps[0], date_updated=world.now())
        return store.put(meanwhile, changes=number)

    def reset(self, world: World, store: Store[Any], record: Any, callback: Callback | None) -> Any:
        """Begin a connectivity reset."""
        body = {**_address(store, record), "callback": _kept(callback)}
        self._agenda.put(RESET, _key(world, record), self._conditions.takes("reset"), body)
        return store.put(evolve(record, reset_status="resetting", date_updated=world.now()))

    def call_back(
        self,
        world: World,
        record: Any,
        callback: Callback | None,
        error: Mapping[str, str] | None = None,
    ) -> None:
        """Owe the callback of a finished update, if one was asked for."""
        if callback is not None:
            params = callback_params(record, error)
            self._outbox.owe(world.vendor.name, record.sid, callback, params)

    def hasten(self, world: World, record: Any) -> None:
        """Let a `ready` SIM become `active` now: it has been used enough."""
        errand = self._agenda.get(AUTOMATE, _key(world, record))
        if errand is not None and errand.body["start"] == record.status == "ready":
            self._automate(errand)

    def forget(self, world: World, record: Any) -> None:
        """Drop all that is under way for a SIM that is deleted."""
        for what in (SETTLE, AUTOMATE, RESET):
            self._agenda.drop(what, _key(world, record))

    def _find(self, errand: Errand) -> tuple[World, Store[Any], Any]:
        sid, product = errand.body["sid"], errand.body["product"]
        root = self._worlds[errand.body["vendor"]]
        world = next((one for one in root.family() if sid in one.sims(product)), root)
        return world, world.sims(product), world.sims(product).get(sid)

    def _settle(self, errand: Errand) -> None:
        world, store, record = self._find(errand)
        body = errand.body
        if record is None:
            self._agenda.drop(SETTLE, errand.key)
        elif body["steps"]:
            first, *rest = body["steps"]
            self._agenda.put(SETTLE, errand.key, body["share"], {**body, "steps": rest})
            store.put(evolve(record, status=first))
        else:
            self._agenda.drop(SETTLE, errand.key)
            self._finish(world, store, record, body)

    def _finish(
        self, world: World, store: Store[Any], record: Any, body: Mapping[str, Any]
    ) -> None:
        callback = Callback(**body["callback"]) if body["callback"] else None
        error = _SUSPENDED if world.suspended else _FAILURE if body["fails"] else None
        target = body["target"] if error is None else {}
        changes = {"status": body["before"], **target}
        if self._conditions.behaviour.date_updated_moves_on_settle:
            changes["date_updated"] = world.now()
        record = store.put(evolve(record, **changes))
        self.call_back(world, record, callback, error)
        twice = calls_back_twice(store.kind.product, body["before"], record.status)
        self._continue(world, store, record, callback if twice and target else None)

    def _notice(self, world: World, store: Store[Any], before: Any, record: Any) -> None:
        """A SIM was added, and what it does by itself from here begins; or it has used data."""
        if before is None:
            self._continue(world, store, record, None)
        elif record.status == "ready":
            used = store.notes(record.sid).get("used", ())
            if sum(upload + download for _, upload, download in used) >= ENOUGH_BYTES:
                self.hasten(world, record)

    def _continue(
        self, world: World, store: Store[Any], record: Any, callback: Callback | None
    ) -> None:
        """Begin, keep, or drop what the SIM does by itself from the status it now has."""
        key = _key(world, record)
        under_way = self._agenda.get(AUTOMATE, key)
        if under_way is not None and under_way.body["start"] == record.status:
            # A failed change, or one of fleet, does not begin the three months anew.
            if self._agenda.is_due(under_way):
                self._automate(under_way)
            return
        self._agenda.drop(AUTOMATE, key)
        automatic = AUTOMATIC[store.kind.product].get(record.status)
        if automatic is not None:
            body = {
                **_address(store, record),
                "start": record.status,
                "to": automatic.to,
                "callback": _kept(callback),
            }
            self._agenda.put(AUTOMATE, key, self._conditions.takes(automatic.latency), body)

    def _automate(self, errand: Errand) -> None:
        world, store, record = self._find(errand)
        if record is not None and record.status in store.kind.pending:
            return  # the change under way decides, and looks here when it ends
        self._agenda.drop(AUTOMATE, errand.key)
        if record is not None and record.status == errand.body["start"]:
            record = store.put(evolve(record, status=errand.body["to"], date_updated=world.now()))
            callback = errand.body["callback"]
            self.call_back(world, record, Callback(**callback) if callback else None)
            self._continue(world, store, record, None)

    def _finish_reset(self, errand: Errand) -> None:
        world, store, record = self._find(errand)
        self._agenda.drop(RESET, errand.key)
        if record is not None:
            record = store.put(evolve(record, reset_status=None, date_updated=world.now()))
            callback = errand.body["callback"]
            if callback and self._conditions.behaviour.callback_on_reset:
                self.call_back(world, record, Callback(**callback))


def callback_params(record: Any, error: Mapping[str, str] | None = None) -> dict[str, str]:
    """What a callback says of a SIM: seven names for Programmable Wireless, four for Super SIM."""
    params = {"SimSid": record.sid, "SimStatus": record.status, "AccountSid": record.account_sid}
    if record.unique_name:
        params["SimUniqueName"] = record.unique_name
    if record.sid.startswith("DE"):
        params["ApiVersion"] = "v1"
        params.update(error or {})
    elif not record.unique_name:
        params["SimUniqueName"] = ""  # Super SIM's list does not call it optional
    return params


def _key(world: World, record: Any) -> str:
    return f"{world.vendor.name} {record.sid}"


def _address(store: Store[Any], record: Any) -> dict[str, str]:
    product: Product = store.kind.product
    return {"vendor": store.vendor.name, "product": product.value, "sid": record.sid}


def _kept(callback: Callback | None) -> dict[str, Any] | None:
    return None if callback is None else asdict(callback)

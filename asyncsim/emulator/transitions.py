"""SIM status transitions: the state machines as tables, and accepted changes until they settle.

A change passes through its pending statuses, then either takes effect or fails and leaves the SIM
as it was. Automatic transitions (`ready` to `active`, `deactivated` to `canceled`) run here too.

Sources: Twilio docs, Sim resource (Super SIM) and Wireless Sim resource; KORE docs, Wireless Sim
Resource; Twilio's error dictionary for what is rejected.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from attrs import evolve, frozen

from asyncsim.emulator.callbacks import CallbackSender, CallbackTarget, target_to_dict
from asyncsim.emulator.scheduler import ScheduledTask, Scheduler
from asyncsim.emulator.settings import Behaviour, RuntimeSettings
from asyncsim.emulator.store import RecordStore
from asyncsim.emulator.world import World
from asyncsim.vendors import Product

_SETTLE, _AUTOMATE, _RESET = "settle", "automate", "reset"

# The documents do not say which codes a failed change calls back with; 33000 is the generic one.
_FAILURE = {"ErrorCode": "33000", "ErrorMessage": "The operator could not apply the change"}
# Twilio docs, error 33201: a suspended account's pending requests are cancelled.
_SUSPENDED = {"ErrorCode": "33201", "ErrorMessage": "The Account is suspended"}

_BYTES_TO_ACTIVATE = 250_000
"""Data that makes a `ready` SIM `active` (Twilio docs and KORE docs, Sim resource)."""
COMMANDS_TO_ACTIVATE = 5
"""Commands to or from a `ready` SIM that make it `active` (the same documents)."""

CONNECTED = frozenset({"ready", "active"})
"""Statuses in which a device can use the network."""

_REQUESTABLE: Mapping[Product, Mapping[str, frozenset[str]]] = {
    Product.SUPERSIM: {
        "new": frozenset({"ready", "active"}),
        "ready": frozenset({"active", "inactive"}),
        "active": frozenset({"inactive"}),
        "inactive": frozenset({"active"}),
    },
    Product.WIRELESS: {
        "new": frozenset({"ready", "active", "deactivated"}),
        "ready": frozenset({"active", "suspended", "deactivated"}),
        "active": frozenset({"suspended", "deactivated"}),
        "suspended": frozenset({"active", "deactivated"}),
    },
}
"""Status to the statuses that a request may lead to."""


@frozen
class AutomaticTransition:
    """A status that a SIM leaves by itself: for which status, and after which latency."""

    to: str
    latency: str


AUTOMATIC: Mapping[Product, Mapping[str, AutomaticTransition]] = {
    Product.SUPERSIM: {"ready": AutomaticTransition("active", "activation")},
    Product.WIRELESS: {
        "ready": AutomaticTransition("active", "activation"),
        "deactivated": AutomaticTransition("canceled", "cancelation"),
    },
}


def may_transition(product: Product, start: str | None, end: str, behaviour: Behaviour) -> bool:
    """Whether a request may lead from one status to the other."""
    if product is Product.SUPERSIM:
        optional = {("new", "inactive"): behaviour.inactive_from_new}
    else:
        optional = {
            ("suspended", "ready"): behaviour.ready_from_suspended,
            ("deactivated", "active"): behaviour.active_from_deactivated,
        }
    if start is None:
        return False
    return end in _REQUESTABLE[product].get(start, ()) or optional.get((start, end), False)


def calls_back_twice(product: Product, start: str, end: str) -> bool:
    """Whether a change calls back again at the end of the automatic transition that follows.

    Programmable Wireless: `new` to `ready`, and any status to `deactivated`.
    """
    if product is not Product.WIRELESS:
        return False
    return end == "deactivated" or (start, end) == ("new", "ready")


@frozen
class AsyncChange:
    """An accepted asynchronous change: its pending statuses, and the fields when it settles."""

    steps: tuple[str, ...]
    target: Mapping[str, str | None]
    callback: CallbackTarget | None = None


class SimTransitions:
    """Pending changes, connectivity resets and automatic transitions of all SIMs."""

    def __init__(
        self, scheduler: Scheduler, settings: RuntimeSettings, callbacks: CallbackSender
    ) -> None:
        self._scheduler = scheduler
        self._settings = settings
        self._callbacks = callbacks
        self._roots: dict[str, World] = {}
        scheduler.on(_SETTLE, self._settle)
        scheduler.on(_AUTOMATE, self._automate)
        scheduler.on(_RESET, self._finish_reset)

    def attach(self, world: World) -> None:
        """Run the transitions of an account's SIMs."""
        self._roots[world.vendor.name] = world.root
        for product in ("wireless", "supersim"):
            store = world.sims(product)
            store.watch(partial(self._on_put, world, store))

    def accept(
        self, world: World, store: RecordStore[Any], record: Any, change: AsyncChange
    ) -> Any:
        """Begin a change; returns the pending record."""
        settings, sid = self._settings, record.sid
        number = store.notes(sid).get("changes", 0) + 1
        share = settings.transition_seconds(sid, number) / len(change.steps)
        fails = settings.sampler.hits("failing_updates")
        body = {
            **_address(store, sid),
            "before": record.status,
            "steps": list(change.steps[1:]),
            "target": dict(change.target),
            "callback": target_to_dict(change.callback),
            "fails": fails,
            "share": share,
        }
        self._scheduler.schedule(_SETTLE, _key(store, sid), share, body)
        pending = evolve(record, status=change.steps[0], date_updated=world.now())
        return store.put(pending, changes=number)

    def reset(
        self, world: World, store: RecordStore[Any], record: Any, callback: CallbackTarget | None
    ) -> Any:
        """Begin a connectivity reset; returns the record with its `reset_status`."""
        body = {**_address(store, record.sid), "callback": target_to_dict(callback)}
        delay = self._settings.seconds("reset")
        self._scheduler.schedule(_RESET, _key(store, record.sid), delay, body)
        return store.put(evolve(record, reset_status="resetting", date_updated=world.now()))

    def call_back(
        self,
        world: World,
        record: Any,
        callback: CallbackTarget | None,
        error: Mapping[str, str] | None = None,
    ) -> None:
        """Enqueue the callback of a finished update, if one was requested."""
        if callback is None:
            return
        # Seven names for Programmable Wireless, four for Super SIM.
        params = {
            "SimSid": record.sid,
            "SimStatus": record.status,
            "AccountSid": record.account_sid,
        }
        if record.unique_name:
            params["SimUniqueName"] = record.unique_name
        if record.sid.startswith("DE"):
            params["ApiVersion"] = "v1"
            params.update(error or {})
        elif not record.unique_name:
            params["SimUniqueName"] = ""  # Super SIM's list does not call it optional
        self._callbacks.enqueue(world.vendor.name, record.sid, callback, params)

    def activate_now(self, store: RecordStore[Any], record: Any) -> None:
        """Let a `ready` SIM become `active` now, because it has been used enough."""
        task = self._scheduler.get(_AUTOMATE, _key(store, record.sid))
        if task is not None and task.body["start"] == record.status == "ready":
            self._automate(task)

    def forget(self, store: RecordStore[Any], sid: str) -> None:
        """Cancel everything scheduled for a SIM that is deleted."""
        for what in (_SETTLE, _AUTOMATE, _RESET):
            self._scheduler.cancel(what, _key(store, sid))

    def _find(self, task: ScheduledTask) -> tuple[World, RecordStore[Any], Any]:
        """The SIM of a task and the account that has it now; None if it has been deleted."""
        sid, product = task.body["sid"], task.body["product"]
        root = self._roots[task.body["vendor"]]
        world = next((one for one in root.family() if sid in one.sims(product)), root)
        store = world.sims(product)
        return world, store, store.get(sid)

    def _settle(self, task: ScheduledTask) -> None:
        world, store, record = self._find(task)
        body = task.body
        if record is not None and body["steps"]:
            status, *rest = body["steps"]
            self._scheduler.schedule(_SETTLE, task.key, body["share"], {**body, "steps": rest})
            store.put(evolve(record, status=status))
            return
        self._scheduler.cancel(_SETTLE, task.key)
        if record is None:
            return
        callback = CallbackTarget(**body["callback"]) if body["callback"] else None
        error = _SUSPENDED if world.suspended else _FAILURE if body["fails"] else None
        target = body["target"] if error is None else {}
        changes = {"status": body["before"], **target}
        if self._settings.behaviour.date_updated_moves_on_settle:
            changes["date_updated"] = world.now()
        record = store.put(evolve(record, **changes))
        self.call_back(world, record, callback, error)
        twice = calls_back_twice(store.kind.product, body["before"], record.status)
        self._schedule_automatic(store, record, callback if twice and target else None)

    def _on_put(self, world: World, store: RecordStore[Any], before: Any, record: Any) -> None:
        """Schedule the automatic transition of a new SIM; activate one that has used its data."""
        if before is None:
            self._schedule_automatic(store, record, None)
        elif record.status == "ready":
            used = store.notes(record.sid).get("used", ())
            if sum(upload + download for _, upload, download in used) >= _BYTES_TO_ACTIVATE:
                self.activate_now(store, record)

    def _schedule_automatic(
        self, store: RecordStore[Any], record: Any, callback: CallbackTarget | None
    ) -> None:
        """Schedule, keep, or cancel the automatic transition from the SIM's present status."""
        key = _key(store, record.sid)
        scheduled = self._scheduler.get(_AUTOMATE, key)
        if scheduled is not None and scheduled.body["start"] == record.status:
            # A failed change, or one of fleet, does not restart the three months.
            if self._scheduler.is_due(scheduled):
                self._automate(scheduled)
            return
        self._scheduler.cancel(_AUTOMATE, key)
        automatic = AUTOMATIC[store.kind.product].get(record.status)
        if automatic is not None:
            body = {
                **_address(store, record.sid),
                "start": record.status,
                "to": automatic.to,
                "callback": target_to_dict(callback),
            }
            delay = self._settings.seconds(automatic.latency)
            self._scheduler.schedule(_AUTOMATE, key, delay, body)

    def _automate(self, task: ScheduledTask) -> None:
        world, store, record = self._find(task)
        if record is not None and record.status in store.kind.pending:
            return  # `_settle` schedules it anew, or runs it, when the pending change ends
        self._scheduler.cancel(_AUTOMATE, task.key)
        if record is not None and record.status == task.body["start"]:
            record = store.put(evolve(record, status=task.body["to"], date_updated=world.now()))
            callback = task.body["callback"]
            self.call_back(world, record, CallbackTarget(**callback) if callback else None)
            self._schedule_automatic(store, record, None)

    def _finish_reset(self, task: ScheduledTask) -> None:
        world, store, record = self._find(task)
        self._scheduler.cancel(_RESET, task.key)
        if record is not None:
            record = store.put(evolve(record, reset_status=None, date_updated=world.now()))
            callback = task.body["callback"]
            if callback and self._settings.behaviour.callback_on_reset:
                self.call_back(world, record, CallbackTarget(**callback))


def _key(store: RecordStore[Any], sid: str) -> str:
    return f"{store.vendor.name} {sid}"


def _address(store: RecordStore[Any], sid: str) -> dict[str, str]:
    return {"vendor": store.vendor.name, "product": store.kind.product.value, "sid": sid}

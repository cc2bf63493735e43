"""Delivery of Commands and eSIM profiles, and their callbacks.

Sources: Twilio docs and KORE docs, Command, SMSCommand, IPCommand and ESimProfile resources. The
parameters of callbacks are those of a captured callback of an SMS from a device; the other kinds
follow it.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from attrs import evolve

from asyncsim.emulator.callbacks import CallbackSender, CallbackTarget
from asyncsim.emulator.fixtures import seeded_hex
from asyncsim.emulator.scheduler import ScheduledTask, Scheduler
from asyncsim.emulator.settings import Behaviour, RuntimeSettings
from asyncsim.emulator.store import RecordStore
from asyncsim.emulator.transitions import COMMANDS_TO_ACTIVATE, CONNECTED, SimTransitions
from asyncsim.emulator.world import World
from asyncsim.kind import Kind
from asyncsim.models.supersim.esim_profiles import ESIM_PROFILES
from asyncsim.models.supersim.ip_commands import IP_COMMANDS
from asyncsim.models.supersim.sms_commands import SMS_COMMANDS
from asyncsim.models.wireless.commands import COMMANDS

_SEND, _CONFIRM, _RESERVE = "send", "confirm", "reserve"

_KINDS: dict[str, Kind[Any]] = {
    kind.sid_prefix: kind for kind in (COMMANDS, SMS_COMMANDS, IP_COMMANDS, ESIM_PROFILES)
}
_RESEND_FOR = 24 * 3600.0
"""Seconds in which an SMS is resent (KORE docs, SMSCommand Resource)."""
_SMDP_PLUS = {"twilio": "sm-dp-plus.twilio.com", "kore": "sm-dp-plus.korewireless.com"}
_NO_PROFILE = {"error_code": "83500", "error_message": "No eSIM profiles are available"}


class CommandDelivery:
    """Moves Commands and eSIM profiles through their statuses."""

    def __init__(
        self,
        scheduler: Scheduler,
        settings: RuntimeSettings,
        callbacks: CallbackSender,
        transitions: SimTransitions,
    ) -> None:
        self._scheduler = scheduler
        self._settings = settings
        self._callbacks = callbacks
        self._transitions = transitions
        self._roots: dict[str, World] = {}
        scheduler.on(_SEND, self._send)
        scheduler.on(_CONFIRM, self._confirm)
        scheduler.on(_RESERVE, self._reserve)

    def attach(self, world: World) -> None:
        """Deliver the Commands and eSIM profiles of an account."""
        self._roots[world.vendor.name] = world.root
        for kind in _KINDS.values():
            store = world.store(kind)
            store.watch(partial(self._on_put, world, store))

    def _on_put(self, world: World, store: RecordStore[Any], before: Any, record: Any) -> None:
        if before is not None:
            if before.status != record.status:
                notes, behaviour = store.notes(record.sid), self._settings.behaviour
                if notes.get("callback") and _calls_back(store.kind, record.status, behaviour):
                    target = CallbackTarget(**notes["callback"])
                    params = {**_callback_params(world, record), **(notes.get("error") or {})}
                    self._callbacks.enqueue(world.vendor.name, record.sid, target, params)
                if record.status == "sent":
                    self._count(world, record)
        elif record.status == "queued":
            self._schedule(_SEND, "sending", world, record)
        elif record.status == "received":
            if (inbound := _inbound_target(world, record)) is not None:
                params = _callback_params(world, record)
                self._callbacks.enqueue(world.vendor.name, record.sid, inbound, params)
            self._count(world, record)
        elif store.kind is ESIM_PROFILES and record.status == "new":
            self._schedule(_RESERVE, "reserving", world, record)
        elif store.kind is ESIM_PROFILES and record.status == "reserving":
            self._schedule(_RESERVE, "reservation", world, record)

    def _schedule(self, what: str, latency: str, world: World, record: Any) -> None:
        vendor = world.vendor.name
        body = {"vendor": vendor, "sid": record.sid}
        delay = self._settings.seconds(latency)
        self._scheduler.schedule(what, f"{vendor} {record.sid}", delay, body)

    def _take(self, task: ScheduledTask) -> tuple[World, RecordStore[Any], Any]:
        """The record of a task, None if it has been deleted; the task is done."""
        self._scheduler.cancel(task.what, task.key)
        sid, root = task.body["sid"], self._roots[task.body["vendor"]]
        kind = _KINDS[sid[:2]]
        world = next((one for one in root.family() if sid in one.store(kind)), root)
        return world, world.store(kind), world.store(kind).get(sid)

    def _send(self, task: ScheduledTask) -> None:
        world, store, record = self._take(task)
        if record is None:
            return
        fails = self._settings.sampler.hits("failing_commands")
        error: tuple[int, str] | None = None
        if store.kind is IP_COMMANDS and not _is_reachable(world, record):
            error = 83401, "The device is not attached"
        elif fails and store.kind is IP_COMMANDS:
            error = 83400, "The IP Command could not be sent"
        elif fails:
            # No code is published for a text message that fails; 33000 is the generic one.
            error = 33000, "The Command could not be sent"
        if error is not None:
            params = {"ErrorCode": str(error[0]), "ErrorMessage": error[1]}
            store.annotate(record.sid, error=params)
            _move(world, store, record, "failed")
            return
        # KORE docs, IPCommand Resource: the address is null until sent.
        is_ip = store.kind is IP_COMMANDS
        address = {"device_ip": ip_address_of(world, _sim_of(world, record))} if is_ip else {}
        record = _move(world, store, record, "sent", **address)
        # UDP confirms nothing; a text message only if a receipt was requested.
        if getattr(record, "delivery_receipt_requested", store.kind is SMS_COMMANDS):
            self._schedule(_CONFIRM, "receipt", world, record)

    def _confirm(self, task: ScheduledTask) -> None:
        world, store, record = self._take(task)
        if record is None or record.status != "sent":
            return
        if _is_reachable(world, record):
            _move(world, store, record, "delivered")
        elif (world.now() - record.date_created).total_seconds() < _RESEND_FOR:
            self._schedule(_CONFIRM, "resending", world, record)

    def _reserve(self, task: ScheduledTask) -> None:
        world, store, record = self._take(task)
        if record is None or record.status not in store.kind.pending:
            return
        if record.status == "new":
            record = _move(world, store, record, "reserving")
            self._schedule(_RESERVE, "reservation", world, record)
        elif self._settings.sampler.hits("failing_reservations"):
            _move(world, store, record, "failed", **_NO_PROFILE)
        else:
            # A reservation comes with a `new` Sim, and the address to download its profile from.
            sim, host = world.add_sim("supersim"), _SMDP_PLUS[world.vendor.name]
            fields = {"iccid": sim.iccid, "sim_sid": sim.sid, "smdp_plus_address": host}
            if store.notes(record.sid).get("generate_matching_id"):
                digits = seeded_hex(world.seed, "matching", record.sid)[:25].upper()
                matching_id = "-".join(digits[at : at + 5] for at in range(0, 25, 5))
                fields["matching_id"] = matching_id
                fields["activation_code"] = f"1${host.upper()}${matching_id}"
            _move(world, store, record, "available", **fields)

    def _count(self, world: World, record: Any) -> None:
        """Count the Commands of a `ready` SIM: the fifth makes it `active`."""
        product = _product_of(record)
        sims = world.sims(product)
        sim = sims.get(record.sim_sid)
        counted = self._settings.behaviour.wireless_counted_commands
        # Super SIM counts SMS Commands only; IP Commands are data.
        if sim is None or record.sid.startswith("HG"):
            return
        if product == "wireless" and record.direction not in counted:
            return
        number = sims.notes(sim.sid).get("commands", 0) + 1
        sims.annotate(sim.sid, commands=number)
        if number >= COMMANDS_TO_ACTIVATE:
            self._transitions.activate_now(sims, sim)


def _move(world: World, store: RecordStore[Any], record: Any, status: str, **fields: Any) -> Any:
    return store.put(evolve(record, status=status, date_updated=world.now(), **fields))


def _product_of(record: Any) -> str:
    return "wireless" if record.sid.startswith("DC") else "supersim"


def _sim_of(world: World, record: Any) -> Any:
    """The SIM that a Command is to or from; None if it has been deleted."""
    return world.sims(_product_of(record)).get(record.sim_sid)


def is_attached(world: World, product: str, sim: Any) -> bool:
    """Whether a SIM's device is on the network now."""
    return sim.status in CONNECTED and not world.sims(product).notes(sim.sid).get("detached")


def _is_reachable(world: World, record: Any) -> bool:
    sim = _sim_of(world, record)
    return sim is not None and is_attached(world, _product_of(record), sim)


def ip_address_of(world: World, sim: Any) -> str:
    """A SIM's address, always the same one, in the range of carrier-grade NAT (RFC 6598)."""
    number = int(seeded_hex(world.seed, "address", sim.sid)[:6], 16)
    return f"100.{64 + number % 64}.{number // 64 % 256}.{1 + number // 16384 % 254}"


def _calls_back(kind: Kind[Any], status: str, behaviour: Behaviour) -> bool:
    """Whether reaching a status calls back."""
    if kind is COMMANDS:
        return status in behaviour.wireless_command_callbacks
    if kind is ESIM_PROFILES:
        return status in behaviour.esim_callbacks
    return True  # Super SIM's Commands: each status update


def _inbound_target(world: World, record: Any) -> CallbackTarget | None:
    """The URL that receives Commands from a device: the Sim's, or its Fleet's."""
    sim = _sim_of(world, record)
    if record.sid.startswith("DC"):
        url, method = sim.commands_callback_url, sim.commands_callback_method
    elif (fleet := world.fleets.get(sim.fleet_sid)) is None:
        return None
    elif record.sid.startswith("HC"):
        url, method = fleet.sms_commands_url, fleet.sms_commands_method
    else:
        url, method = fleet.ip_commands_url, fleet.ip_commands_method
    return CallbackTarget(url, method or "POST") if url else None


def _callback_params(world: World, record: Any) -> dict[str, str]:
    """The parameters of a callback about a Command or an eSIM profile."""
    common = {"AccountSid": world.account_sid, "ApiVersion": "v1", "Status": record.status}
    if record.sid.startswith("HP"):
        # No document names these parameters.
        profile = {
            "ESimProfileSid": record.sid,
            "SimSid": record.sim_sid,
            "Iccid": record.iccid,
            "Eid": record.eid,
            "ErrorCode": record.error_code,
            "ErrorMessage": record.error_message,
        }
        return common | {name: value for name, value in profile.items() if value is not None}
    sim = _sim_of(world, record)
    common |= {"CommandSid": record.sid, "SimSid": record.sim_sid, "Direction": record.direction}
    common["SimUniqueName"] = (sim.unique_name if sim else None) or ""
    if record.sid.startswith("DC"):
        return common | {"Command": record.command, "CommandMode": record.command_mode}
    if record.sid.startswith("HC"):
        # The older name of the payload is still sent.
        return common | {
            "Command": record.payload, "Payload": record.payload, "PayloadType": "text",
        }  # fmt: skip
    return common | {
        "Payload": record.payload,
        "PayloadType": record.payload_type,
        "SimIccid": record.sim_iccid or "",
        "DeviceIp": record.device_ip or "",
        "DevicePort": str(record.device_port),
    }

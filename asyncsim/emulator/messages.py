"""What callbacks about Commands and eSIM profiles say, and whether a device can be reached.

Sources: a captured callback of an SMS from a device; Twilio docs, Command resource, for the names
of Programmable Wireless; KORE docs, IPCommand Resource, for 83400 and 83401.
"""

from __future__ import annotations

from typing import Any

from asyncsim.emulator import identity
from asyncsim.emulator.audit import CONNECTED
from asyncsim.emulator.letters import Callback
from asyncsim.emulator.settings import Behaviour
from asyncsim.emulator.world import World
from asyncsim.kind import Kind
from asyncsim.models.supersim.esim_profiles import ESIM_PROFILES
from asyncsim.models.wireless.commands import COMMANDS


def called_for(kind: Kind[Any], status: str, behaviour: Behaviour) -> bool:
    """Tell whether reaching a status calls back."""
    if kind is COMMANDS:
        return status in behaviour.wireless_command_callbacks
    if kind is ESIM_PROFILES:
        return status in behaviour.esim_callbacks
    return True  # Super SIM's Commands: each status update


def sim_of(world: World, record: Any) -> Any:
    """The SIM a Command is to or from; None if it is gone."""
    product = "wireless" if record.sid.startswith("DC") else "supersim"
    return world.sims(product).get(record.sim_sid)


def is_attached(world: World, product: str, sim: Any) -> bool:
    """Tell whether a SIM's device is on the network now."""
    return sim.status in CONNECTED and not world.sims(product).notes(sim.sid).get("detached")


def is_reachable(world: World, record: Any) -> bool:
    """The same of the SIM a Command is for."""
    sim = sim_of(world, record)
    product = "wireless" if record.sid.startswith("DC") else "supersim"
    return sim is not None and is_attached(world, product, sim)


def address_of(world: World, sim: Any) -> str:
    """A SIM's address, always the same one, in the range of carrier-grade NAT (RFC 6598)."""
    number = int(identity.digest(world.seed, "address", sim.sid)[:6], 16)
    return f"100.{64 + number % 64}.{number // 64 % 256}.{1 + number // 16384 % 254}"


def failure(world: World, record: Any, *, strikes: bool) -> dict[str, str] | None:
    """Why a Command cannot be sent, as its callback says it."""
    if record.sid.startswith("HG"):
        if not is_reachable(world, record):
            return _worded(83401, "The device is not attached")
        return _worded(83400, "The IP Command could not be sent") if strikes else None
    # No code is published for a text message that fails; 33000 is the generic one.
    return _worded(33000, "The Command could not be sent") if strikes else None


def _worded(code: int, message: str) -> dict[str, str]:
    return {"ErrorCode": str(code), "ErrorMessage": message}


def inbound_url(world: World, record: Any) -> Callback | None:
    """Where the vendor calls with a Command from a device."""
    sim = sim_of(world, record)
    if record.sid.startswith("DC"):
        where = (sim.commands_callback_url, sim.commands_callback_method)
    elif (fleet := world.fleets.get(sim.fleet_sid)) is None:
        return None
    elif record.sid.startswith("HC"):
        where = (fleet.sms_commands_url, fleet.sms_commands_method)
    else:
        where = (fleet.ip_commands_url, fleet.ip_commands_method)
    return Callback(where[0], where[1] or "POST") if where[0] else None


def parameters(world: World, record: Any) -> dict[str, str]:
    """What a callback says of a Command or an eSIM profile."""
    common = {"AccountSid": world.account_sid, "ApiVersion": "v1", "Status": record.status}
    if record.sid.startswith("HP"):
        return common | _of_profile(record)
    sim = sim_of(world, record)
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


def _of_profile(record: Any) -> dict[str, str]:
    # No document names these parameters.
    given = {
        "ESimProfileSid": record.sid,
        "SimSid": record.sim_sid,
        "Iccid": record.iccid,
        "Eid": record.eid,
        "ErrorCode": record.error_code,
        "ErrorMessage": record.error_message,
    }
    return {name: value for name, value in given.items() if value is not None}

"""Commands that devices send: the vendor calls a URL of ours, and the user iterates over them.

Sources: Twilio docs and KORE docs, "SMSCommand Resource", "IPCommand Resource", "Command Resource";
the names of most parameters are known from a captured callback only, so all are kept.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from typing import Self

from attrs import field, frozen

from asyncsim.callbacks.bus import Callback

INBOUND = "~commands"
"""Stands where a ticket has the name of what was updated; no vendor's SID looks like it."""


@frozen(kw_only=True)
class InboundCommand:
    """One Command from a device. `signed`: the vendor's signature proves all of it.

    `payload` is text, or Base64 where `payload_type` is `binary` (IP Commands always are).
    """

    vendor: str
    product: str
    signed: bool
    sid: str | None
    """Of the Command: DC, HC or HG and 32 hex digits."""
    sim_sid: str | None
    sim_unique_name: str | None
    sim_iccid: str | None
    account_sid: str | None
    payload: str | None
    payload_type: str | None
    device_ip: str | None
    device_port: int | None
    params: Mapping[str, str] = field(factory=dict, repr=False)
    """Everything the vendor sent."""


def inbound_command(callback: Callback) -> InboundCommand:
    """Read a callback as a Command; Programmable Wireless calls its payload `Command`."""
    params = callback.params
    port = params.get("DevicePort", "")
    return InboundCommand(
        vendor=callback.vendor,
        product=callback.product,
        signed=callback.signed,
        sid=params.get("CommandSid"),
        sim_sid=params.get("SimSid"),
        sim_unique_name=params.get("SimUniqueName"),
        sim_iccid=params.get("SimIccid"),
        account_sid=params.get("AccountSid"),
        payload=params.get("Payload", params.get("Command")),
        payload_type=params.get("PayloadType", params.get("CommandMode")),
        device_ip=params.get("DeviceIp"),
        device_port=int(port) if port.isascii() and port.isdigit() and len(port) < 6 else None,
        params=params,
    )


class InboundCommands:
    """The Commands that came in, in order: iterate over it; several iterators share them out.

    Bounded: while it is full, callbacks are answered with 503, which KORE delivers again. The
    iteration ends when the receiver stops, after what had come in.
    """

    def __init__(self, most: int = 10_000) -> None:
        self._most = most
        self._waiting: deque[InboundCommand] = deque()
        self._changed = asyncio.Event()
        self._open = True

    @property
    def full(self) -> bool:
        """Whether there is no room for another."""
        return len(self._waiting) >= self._most

    def add(self, command: InboundCommand) -> None:
        """Take a Command in."""
        self._waiting.append(command)
        self._changed.set()

    def turn(self, *, open: bool) -> None:
        """The receiver has started or stopped."""
        self._open = open
        self._changed.set()

    def __len__(self) -> int:
        return len(self._waiting)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> InboundCommand:
        while not self._waiting:
            if not self._open:
                raise StopAsyncIteration
            self._changed.clear()
            await self._changed.wait()
        return self._waiting.popleft()

"""Commands from devices: iterated over in this process, or shared by processes on one bus.

Sources: Twilio docs and KORE docs, "SMSCommand Resource", "IPCommand Resource", "Command
Resource". The names of most parameters are known from a captured callback only, so all parameters
are kept.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Self

from attrs import field, frozen

from asyncsim.callbacks.bus import Callback
from asyncsim.callbacks.shared import SharedBus

COMMANDS_NAME = "~commands"
"""The name in a ticket for Commands; no vendor's SID looks like it."""


@frozen(kw_only=True)
class InboundCommand:
    """One Command from a device. `signed`: the vendor's signature proves all of it.

    `payload` is text, or Base64 where `payload_type` is `binary` (IP Commands always are).
    """

    vendor: str
    product: str
    signed: bool
    sid: str | None
    """SID of the Command: DC, HC or HG and 32 hex digits."""
    sim_sid: str | None
    sim_unique_name: str | None
    sim_iccid: str | None
    account_sid: str | None
    payload: str | None
    payload_type: str | None
    device_ip: str | None
    device_port: int | None
    params: Mapping[str, str] = field(factory=dict, repr=False)
    """All parameters of the callback."""

    @classmethod
    def of(cls, callback: Callback) -> Self:
        """Read the Command in a callback."""
        params = callback.params
        port = params.get("DevicePort", "")
        return cls(
            vendor=callback.vendor,
            product=callback.product,
            signed=callback.signed,
            sid=params.get("CommandSid"),
            sim_sid=params.get("SimSid"),
            sim_unique_name=params.get("SimUniqueName"),
            sim_iccid=params.get("SimIccid"),
            account_sid=params.get("AccountSid"),
            # Programmable Wireless calls its payload `Command` (Twilio docs, "Command Resource").
            payload=params.get("Payload", params.get("Command")),
            payload_type=params.get("PayloadType", params.get("CommandMode")),
            device_ip=params.get("DeviceIp"),
            device_port=int(port) if port.isascii() and port.isdigit() and len(port) < 6 else None,
            params=params,
        )


class InboundCommands:
    """Commands from devices in the order of their arrival: `async for command in ...`.

    Several loops share the Commands. The iteration ends when the receiver stops.

    Without a bus they wait in this process, at most 10,000; further ones are rejected with 503.
    With a bus (`asyncsim.PostgresBus`) they wait in its database, and each one goes to one loop of
    one process. It counts as handled when that loop asks for the next one. If the loop ends before
    that, by an error, `break`, or the end of its process, another loop gets the Command a minute
    later: recognise duplicates by their `sid`. A Command from `anext()` outside of a loop counts as
    handled at once.
    """

    def __init__(
        self,
        shared: SharedBus | None = None,
        scopes: Callable[[], Sequence[str]] = tuple,
        limit: int = 10_000,
    ) -> None:
        self._shared = shared
        self._scopes = scopes
        """Of the Commands that this receiver's URLs bring, for those on the bus."""
        self._limit = limit
        self._queue: deque[InboundCommand] = deque()
        self._waiting: list[asyncio.Future[None]] = []
        """The longest wait first; that loop gets the next Command."""
        self._open = True

    @property
    def full(self) -> bool:
        """Whether there is no room for another in this process."""
        return len(self._queue) >= self._limit

    def add(self, callback: Callback) -> None:
        """Append the Command from a callback."""
        self._queue.append(InboundCommand.of(callback))
        self._wake()

    def set_open(self, is_open: bool) -> None:
        """Let loops wait for more, or end once the queue of this process is empty."""
        self._open = is_open
        self._wake()
        if self._shared is not None:
            self._shared.wake_takers()

    def _wake(self) -> None:
        for waiting in self._waiting:
            # Not one of a loop that was closed around it.
            if not waiting.done() and not waiting.get_loop().is_closed():
                waiting.set_result(None)

    def __len__(self) -> int:
        """Count those that wait in this process."""
        return len(self._queue)

    def __aiter__(self) -> AsyncIterator[InboundCommand]:
        return self if self._shared is None else self._loop_over(self._shared)

    async def __anext__(self) -> InboundCommand:
        if self._shared is not None:
            loop = self._loop_over(self._shared)
            command = await anext(loop)
            await loop.finish_last()
            return command
        while not self._queue:
            if not self._open:
                raise StopAsyncIteration
            # Not an `asyncio.Event`, which can only be used in the first loop that waits for it.
            waiting = asyncio.get_running_loop().create_future()
            self._waiting.append(waiting)
            try:
                await waiting
            finally:
                self._waiting.remove(waiting)
        return self._queue.popleft()

    def _loop_over(self, shared: SharedBus) -> _SharedLoop:
        return _SharedLoop(shared, self._scopes, lambda: self._open)


class _SharedLoop:
    """One loop over the Commands on a bus: asking for the next one finishes the last one."""

    def __init__(
        self,
        shared: SharedBus,
        scopes: Callable[[], Sequence[str]],
        is_open: Callable[[], bool],
    ) -> None:
        self._shared = shared
        self._scopes = scopes
        self._is_open = is_open
        self._last: bytes | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> InboundCommand:
        await self.finish_last()
        taken = await self._shared.take_command(self._scopes, self._is_open)
        if taken is None:
            raise StopAsyncIteration
        self._last = taken.key
        return InboundCommand.of(taken.callback)

    async def finish_last(self) -> None:
        """Record that the last Command has been handled."""
        if self._last is not None:
            await self._shared.finish_command(self._last, self._is_open)
            self._last = None

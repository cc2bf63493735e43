"""The interface of a bus that several processes share; `asyncsim.PostgresBus` is one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from attrs import field, frozen

from asyncsim.callbacks.bus import Callback
from asyncsim.errors import ReceiverError

Publish = Callable[[Callback], object]


class BusUnavailable(ReceiverError):
    """The shared bus cannot store callbacks now: the vendor has to deliver them again."""


@frozen
class TakenCommand:
    """A Command from a device, claimed by one loop for a limited time."""

    key: bytes = field(repr=False)
    callback: Callback


class SharedBus(Protocol):
    """Takes verified callbacks from the receiver of one process to the waits of all processes.

    In each process, a `CallbackBus` still routes them to the waits. Each Command from a device goes
    to one loop of one process.
    """

    async def start(self) -> None:
        """Start; each start needs a stop, and only the last stop takes effect."""
        ...

    async def stop(self) -> None:
        """Store what was accepted, then stop."""
        ...

    async def accept(self, callback: Callback, token: str) -> bool:
        """Store a verified callback; returns once it is durable, True if it was stored before.

        `token` is the vendor's idempotency token, "" if it sent none. Raises `BusUnavailable` if
        the callback cannot be stored.
        """
        ...

    def attach(self, publish: Publish) -> Callable[[], None]:
        """Call `publish` with callbacks of all processes, until the returned function is called."""
        ...

    async def is_writable(self) -> bool:
        """Tell whether `accept` can store callbacks now."""
        ...

    async def accept_command(self, command: Callback, token: str, scope: str) -> bool:
        """Store a Command, as `accept` does.

        `scope` names the ticket secret of its URL: only receivers with this secret can take it.
        """
        ...

    async def take_command(
        self, scopes: Callable[[], Sequence[str]], is_open: Callable[[], bool]
    ) -> TakenCommand | None:
        """Wait for the next Command of these scopes; None once `is_open()` is False.

        If it is not finished within a limited time, another loop gets it.
        """
        ...

    async def finish_command(self, key: bytes, is_open: Callable[[], bool]) -> None:
        """Record that a Command has been handled, so that no other loop gets it."""
        ...

    def wake_takers(self) -> None:
        """Wake all `take_command`, so that they check `is_open` again."""
        ...

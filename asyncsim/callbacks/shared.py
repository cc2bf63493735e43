"""The interface of a bus that several processes share; `asyncsim.PostgresBus` is one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from attrs import field, frozen

from asyncsim.callbacks.bus import Callback
from asyncsim.errors import ReceiverError

Publish = Callable[[Callback], object]


class BusUnavailable(ReceiverError):
    """The shared bus cannot store callbacks at present: the vendor must deliver them again."""


@frozen
class TakenCommand:
    """A Command from a device that belongs to one loop, for a while."""

    key: bytes = field(repr=False)
    callback: Callback


class SharedBus(Protocol):
    """Carries verified callbacks from the receiver of one process to the waits of all.

    It stands between a receiver's verification and its `CallbackBus`, which still routes callbacks
    inside one process. Commands from devices are different: each goes to one loop of one process.
    """

    async def start(self) -> None:
        """Begin; each start needs a stop, and only the last stop ends it."""
        ...

    async def stop(self) -> None:
        """Store what was accepted, then end."""
        ...

    async def accept(self, callback: Callback, token: str) -> bool:
        """Return once a verified callback is durable; True if it was stored before.

        `token` is the vendor's idempotency token, "" if it sent none. `BusUnavailable` if the
        callback is not durable.
        """
        ...

    def attach(self, publish: Publish) -> Callable[[], None]:
        """Call `publish` with what any process accepts, until the returned function is called."""
        ...

    async def is_writable(self) -> bool:
        """Tell whether `accept` can store callbacks now."""
        ...

    async def accept_command(self, command: Callback, token: str, scope: str) -> bool:
        """Return once a Command is durable, as `accept` does.

        `scope` names the ticket secret of its URL: only receivers that have it take the Command.
        """
        ...

    async def take_command(
        self, scopes: Callable[[], Sequence[str]], is_open: Callable[[], bool]
    ) -> TakenCommand | None:
        """Return the next Command of these scopes once there is one; None once it is not open.

        Whoever takes one has it for a while; unless it is finished then, another one gets it.
        """
        ...

    async def finish_command(self, key: bytes, is_open: Callable[[], bool]) -> None:
        """Record that a Command has been handled: nobody gets it any more."""
        ...

    def wake_takers(self) -> None:
        """Let those who wait for a Command see that they are not open any more."""
        ...

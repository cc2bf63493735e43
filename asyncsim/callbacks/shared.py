"""The interface of a bus that several processes share; `asyncsim.PostgresBus` is one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from asyncsim.callbacks.bus import Callback
from asyncsim.errors import ReceiverError

Publish = Callable[[Callback], object]


class BusUnavailable(ReceiverError):
    """The shared bus cannot store callbacks at present: the vendor must deliver them again."""


class SharedBus(Protocol):
    """Carries verified callbacks from the receiver of one process to the waits of all.

    It stands between a receiver's verification and its `CallbackBus`, which still routes callbacks
    inside one process.
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

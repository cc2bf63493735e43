"""What a fan-out is made of: pieces of work, each of which ends in one outcome."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from contextlib import AbstractContextManager
from typing import Any, Generic, Protocol, TypeVar

from attrs import frozen

from asyncsim.core.transition import Transition
from asyncsim.http.request import Request
from asyncsim.resources.outcome import Outcome

T = TypeVar("T")


class Piece(Protocol):
    """One SIM's way: begun by `run`, ended by one call of the host's `settle`, or parked there."""

    given: Mapping[str, Any]

    def run(self) -> Coroutine[Any, Any, None]:
        """Send what is to be sent; what is left after that is waiting, without a task."""
        ...

    def close(self) -> bool:
        """Send nothing more; True when a request is on the wire, whose answer should be awaited."""
        ...

    def abandon(self) -> None:
        """Forget the wait."""

    @property
    def sent(self) -> bool:
        """Whether a request of its own may have been carried out; what was refused was not."""
        ...


class Stoppable:
    """What pieces have in common whose work is a request at a time."""

    def __init__(self) -> None:
        self._request: Request | None = None
        self._closed = False

    @property
    def sent(self) -> bool:
        """Whether its request may have been carried out; what was refused, as by 429, was not."""
        request = self._request
        return request is not None and (request.in_flight or request.in_doubt or request.succeeded)

    def close(self) -> bool:
        """Send nothing more; True when a request is on the wire, whose answer should be awaited."""
        self._closed = True
        if self._request is None or not self._request.in_flight:
            return False
        self._request.halt()
        return True


class Host(Protocol[T]):
    """Who runs pieces."""

    def start(self, piece: Piece, work: Coroutine[Any, Any, None]) -> None:
        """Run more work of a piece."""

    def settle(self, outcome: Outcome[T]) -> None:
        """Take a piece's outcome."""

    def aside(self) -> AbstractContextManager[None]:
        """Let others go out while work of a piece only waits."""
        ...

    def park(self, wait: Transition, tag: Any, started: float) -> None:
        """Take over the wait of a piece that is needed no more; `tag` tells what was asked for."""


class Log(Protocol):
    """Who must know of a piece's steps: a job's journal."""

    async def before(self) -> None:
        """Return once it is recorded that a request will go out; raise, and none does."""

    async def waits(self) -> None:
        """Take note that another's change comes first; before that has ended, nothing goes out."""

    async def accepted(self, record: Any) -> None:
        """Take the record with which the vendor has accepted it; None if it could not be read."""

    def tag(self, given: Mapping[str, Any]) -> Any:
        """Return what tells later what was asked for, now that its piece goes."""


class NoLog:
    """Nobody needs to know."""

    async def before(self) -> None:
        """Nothing to do."""

    async def waits(self) -> None:
        """Nothing to do."""

    async def accepted(self, record: Any) -> None:
        """Nothing to do."""

    def tag(self, given: Mapping[str, Any]) -> Any:
        """Keep just that."""
        return given


NO_LOG = NoLog()


@frozen
class Order(Generic[T]):
    """A piece to be made as soon as there is room for it."""

    name: str
    """Unique among those under way."""
    given: Mapping[str, Any]
    make: Callable[[Host[T]], Piece]

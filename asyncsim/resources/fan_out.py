"""Much work at once: taken lazily, run within a window, its outcomes yielded as they come.

There is a task per SIM only while its POST is under way; the waiting itself has none, and nothing
is kept of it here (see `parking`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from asyncsim.context import ClientContext
from asyncsim.core.transition import Transition
from asyncsim.errors import ClientClosed
from asyncsim.resources.outcome import Outcome, refused
from asyncsim.resources.parking import Parking, Ready, Recall
from asyncsim.resources.piece import Order, Piece

T = TypeVar("T")

# Tasks beyond what may be sent at once, so that a slot always finds one ready while others wait to
# be sent again. Very many would only queue, and the garbage collector goes through all they hold.
_AHEAD = 256
_SPARE = 16


class FanOut(Generic[T]):
    """Iterate over it for outcomes, in the order in which SIMs settle.

    As a context manager, by `aclose()`, or when its loop is left, it stops early: nothing more is
    sent, POSTs on the wire get their answers, and what has not settled is left in `unfinished`.
    Input that was not read yet is not in there. Only the first two wait until that is done. What
    the input raises is raised once all SIMs read before have settled.
    """

    def __init__(
        self,
        context: ClientContext,
        orders: AsyncGenerator[Order[T], None],
        *,
        window: int,
        ready: Ready,
        recall: Recall,
    ) -> None:
        if window < 1:
            raise ValueError(f"window={window}: at least 1 SIM must fit")
        self._context = context
        self._orders = orders
        self._ready = ready
        self._room = asyncio.Semaphore(window)
        # As long as the window at most: an outcome keeps its SIM's place until it is taken out.
        self._outcomes: asyncio.Queue[Outcome[T] | None] = asyncio.Queue()
        self._pieces: dict[str, Piece] = {}
        self._parked = Parking(self._end, recall, context.clock)
        self._left: dict[str, Mapping[str, Any]] = {}
        self._tasks: dict[asyncio.Task[None], Piece] = {}
        self._aside = 0
        self._sent_one = asyncio.Event()
        self._feeder: asyncio.Task[None] | None = None
        self._fed = False
        self._failure: Exception | None = None
        self._closing = False
        self._closed = asyncio.Event()

    @property
    def unfinished(self) -> dict[str, Mapping[str, Any]]:
        """Changes that were taken from the input and have not ended."""
        under_way = {name: piece.given for name, piece in self._pieces.items()}
        return {**self._left, **under_way, **self._parked.asked()}

    def __contains__(self, name: object) -> bool:
        """Tell whether a SIM's change was taken from the input and has not ended."""
        return name in self._pieces or name in self._parked

    @property
    def _is_done(self) -> bool:
        return self._fed and not self._pieces and not self._parked

    async def __aiter__(self) -> AsyncGenerator[Outcome[T], None]:
        # A generator, because the loop is told when one is left; of an iterator nobody is.
        try:
            while True:
                try:
                    outcome = await anext(self)
                except StopAsyncIteration:
                    return
                yield outcome
        finally:
            await self.aclose()

    async def __anext__(self) -> Outcome[T]:
        if self._feeder is None and not self._closing:
            await self._open()
        outcome = None if self._is_over() else await self._outcomes.get()
        if outcome is not None:
            self._room.release()
            return outcome
        await self.aclose()
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure
        raise StopAsyncIteration

    async def _open(self) -> None:
        # First the watcher, so that a client which closes asks here before it closes that.
        self._parked.open(await self._ready())
        self._context.on_close(self._client_closes)
        self._feeder = asyncio.create_task(self._feed(), name="asyncsim-fan-out")

    def _is_over(self) -> bool:
        return self._outcomes.empty() and (self._closed.is_set() or self._is_done)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    # Feeding.

    async def _feed(self) -> None:
        try:
            while True:
                await self._room.acquire()  # first, so that nothing is read that has no room
                await self._until_more_can_go()
                self._take(await anext(self._orders))
        except StopAsyncIteration:
            pass
        except Exception as error:  # noqa: BLE001  # the caller's own iterable; raised to the caller
            self._failure = error
        finally:
            await self._orders.aclose()
            self._fed = True
            self._ring()

    async def _until_more_can_go(self) -> None:
        """Let no tasks pile up that could only queue; what waits aside for another is none."""
        way = self._context
        while len(self._tasks) - self._aside >= _SPARE + way.limit + min(way.limit, _AHEAD):
            self._sent_one.clear()
            await self._sent_one.wait()

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Let others go out while work of a piece only waits; pieces call this."""
        self._aside += 1
        self._sent_one.set()
        try:
            yield
        finally:
            self._aside -= 1

    def _take(self, order: Order[T]) -> None:
        if order.name in self:
            text = f"{order.name} is in the window already; its first change has not settled"
            self._outcomes.put_nowait(refused(order.name, order.given, ValueError(text)))
            return
        self._pieces[order.name] = piece = order.make(self)
        self.start(piece, piece.run())

    def start(self, piece: Piece, work: Coroutine[Any, Any, None]) -> None:
        """Run work of a piece; pieces call this."""
        task = asyncio.create_task(work)
        self._tasks[task] = piece
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.pop(task, None)
        self._sent_one.set()
        if not task.cancelled():
            task.result()  # a fault of ours must be heard, by the loop's handler

    def settle(self, outcome: Outcome[T]) -> None:
        """Take the outcome of a piece; pieces call this."""
        if self._pieces.pop(outcome.sid, None) is not None:
            self._end(outcome)

    def park(self, wait: Transition, tag: Any, started: float) -> None:
        """Take over the wait of a piece that is needed no more; pieces call this."""
        if self._pieces.pop(wait.name, None) is not None:
            self._parked.park(wait, tag, started)

    def _end(self, outcome: Outcome[T]) -> None:
        self._outcomes.put_nowait(outcome)
        self._ring()

    def _ring(self) -> None:
        """Wake a consumer that waits for an outcome which will never come."""
        if self._closed.is_set() or (self._is_done and not self._closing):
            self._outcomes.put_nowait(None)

    # Closing.

    async def aclose(self) -> None:
        """Stop sending, let POSTs on the wire answer, forget the waits."""
        if self._closing:
            await self._closed.wait()
            return
        self._closing = True
        self._context.forget(self._client_closes)
        try:
            await self._stop_sending()
        finally:
            self._forget_all()
            self._closed.set()
            self._ring()

    def _forget_all(self) -> None:
        self._left = self.unfinished
        for piece in self._pieces.values():
            piece.abandon()
        self._parked.abandon()

    def cut(self) -> None:
        """Give up answers too: what is on the wire is left in the air, for `aclose` to end soon."""
        if self._feeder is not None:
            self._feeder.cancel()
        for task in self._tasks:
            task.cancel()

    async def _stop_sending(self) -> None:
        if self._feeder is not None:
            self._feeder.cancel()
            await asyncio.gather(self._feeder, return_exceptions=True)
        for piece in self._pieces.values():
            piece.close()
        for task, piece in list(self._tasks.items()):  # also of those that a callback has ended
            if not piece.close():
                task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def unsent(self) -> set[str]:
        """Those in `unfinished` for which nothing can have been carried out."""
        return {name for name, piece in self._pieces.items() if not piece.sent}

    async def _client_closes(self) -> None:
        if self._feeder is not None and not self._is_done:
            left = self.unfinished
            asked = f"{len(left)} SIMs are left in .unfinished"
            self._failure = ClientClosed(asked, sent=len(left) > len(self.unsent))
        await self.aclose()

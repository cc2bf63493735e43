"""Many changes at once: read lazily, sent within a window, yielded as they settle.

There is a task per SIM only while its POST is under way; the waiting itself has none.
"""

from __future__ import annotations

import asyncio
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Coroutine,
    Iterable,
    Mapping,
)
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from asyncsim.errors import AsyncSimError
from asyncsim.resources.one import One
from asyncsim.resources.outcome import Outcome
from asyncsim.resources.settling import Settling
from asyncsim.resources.watched import check_timeout

T = TypeVar("T")
C = TypeVar("C")
Changes = Mapping[str, C] | Iterable[tuple[str, C]] | AsyncIterable[tuple[str, C]]
"""SID or unique name, and the keywords of `update`."""


class UpdateMany(Generic[T]):
    """Iterate over it for outcomes, in the order in which SIMs settle.

    As a context manager, by `aclose()`, or when its loop is left, it stops early: nothing more is
    sent, POSTs on the wire get their answers, and what has not settled is left in `unfinished`.
    Input that was not read yet is not in there. Only the first two wait until that is done. What
    `changes` raises is raised once all SIMs read before have settled.
    """

    def __init__(
        self,
        resource: Settling[T],
        changes: Changes[Any],
        *,
        window: int,
        timeout: float | None,
    ) -> None:
        if window < 1:
            raise ValueError(f"window={window}: at least 1 SIM must fit")
        check_timeout(timeout)
        self._resource = resource
        self._connection = resource._connection
        self._changes = changes
        self._timeout = timeout
        self._room = asyncio.Semaphore(window)
        # As long as the window at most: an outcome keeps its SIM's place until it is taken out.
        self._outcomes: asyncio.Queue[Outcome[T] | None] = asyncio.Queue()
        self.unfinished: dict[str, Mapping[str, Any]] = {}
        """Changes that were taken from the input and have not ended."""
        self._ones: dict[str, One[T]] = {}
        self._tasks: dict[asyncio.Task[None], One[T]] = {}
        self._feeder: asyncio.Task[None] | None = None
        self._fed = False
        self._failure: Exception | None = None
        self._closing = False
        self._closed = asyncio.Event()

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
        await self._resource._the_watcher()
        self._connection.on_close(self._client_closes)
        self._feeder = asyncio.create_task(self._feed(), name="asyncsim-update-many")

    def _is_over(self) -> bool:
        return self._outcomes.empty() and (
            self._closed.is_set() or (self._fed and not self.unfinished)
        )

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
            items = _items(self._changes)
            while True:
                await self._room.acquire()  # first, so that nothing is read that has no room
                self._take(*await anext(items))
        except StopAsyncIteration:
            pass
        except Exception as error:  # noqa: BLE001  # the caller's own iterable; raised to the caller
            self._failure = error
        finally:
            self._fed = True
            self._ring()

    def _take(self, name: str, changes: Mapping[str, Any]) -> None:
        if name in self.unfinished:
            error = ValueError(f"{name} is in the window already; its first change has not settled")
            self._outcomes.put_nowait(_refused(name, changes, error))
            return
        self.unfinished[name] = changes
        self._ones[name] = one = One(
            self._resource,
            name,
            changes,
            timeout=self._timeout,
            spawn=self._start,
            settle=self._settle,
        )
        self._start(one, one.run())

    def _start(self, one: One[T], work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks[task] = one
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.pop(task, None)
        if not task.cancelled():
            task.result()  # a fault of ours must be heard, by the loop's handler

    def _settle(self, outcome: Outcome[T]) -> None:
        if self.unfinished.pop(outcome.sid, None) is not None:
            del self._ones[outcome.sid]
            self._outcomes.put_nowait(outcome)
            self._ring()

    def _ring(self) -> None:
        """Wake a consumer that waits for an outcome which will never come."""
        if self._closed.is_set() or (self._fed and not self.unfinished and not self._closing):
            self._outcomes.put_nowait(None)

    # Closing.

    async def aclose(self) -> None:
        """Stop sending, let POSTs on the wire answer, forget the waits."""
        if self._closing:
            await self._closed.wait()
            return
        self._closing = True
        self._connection.forget(self._client_closes)
        try:
            await self._stop_sending()
        finally:
            for one in self._ones.values():
                one.abandon()
            self._closed.set()
            self._ring()

    async def _stop_sending(self) -> None:
        if self._feeder is not None:
            self._feeder.cancel()
            await asyncio.gather(self._feeder, return_exceptions=True)
        for one in self._ones.values():
            one.close()
        for task, one in list(self._tasks.items()):  # also of those that a callback has ended
            if not one.close():
                task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _client_closes(self) -> None:
        if self._feeder is not None and not (self._fed and not self.unfinished):
            left = f"the client was closed; {len(self.unfinished)} SIMs are left in .unfinished"
            self._failure = AsyncSimError(left)
        await self.aclose()


def _refused(name: str, changes: Mapping[str, Any], error: Exception) -> Outcome[Any]:
    return Outcome(
        sid=name,
        requested=changes,
        sim=None,
        error=error,
        settled_by=None,
        confirmed=False,
        requests=0,
        seconds=0.0,
    )


async def _items(changes: Changes[Any]) -> AsyncIterator[tuple[str, Mapping[str, Any]]]:
    if isinstance(changes, AsyncIterable):
        async for item in changes:
            yield _pair(item)
        return
    for item in changes.items() if isinstance(changes, Mapping) else changes:
        yield _pair(item)


def _pair(item: Any) -> tuple[str, Mapping[str, Any]]:
    try:
        name, changes = item
    except (TypeError, ValueError):
        changes = name = None
    if not isinstance(name, str) or not isinstance(changes, Mapping):
        raise TypeError(f"update_many takes (SID, changes) pairs, not {item!r}")
    return name, changes

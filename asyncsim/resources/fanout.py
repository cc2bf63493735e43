"""Many changes at once: read lazily, sent within a window, yielded as they settle.

There is a task per SIM only while its POST is under way; the waiting itself has none.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Coroutine, Iterable, Mapping
from functools import partial
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from asyncsim.core.goal import Goal, Standing
from asyncsim.core.transition import Transition
from asyncsim.errors import Conflict, TransitionFailed
from asyncsim.resources.changes import Change, Changing, wake
from asyncsim.resources.outcome import Outcome
from asyncsim.sender import Request
from asyncsim.writing import Written

T = TypeVar("T")
C = TypeVar("C")
Changes = Mapping[str, C] | Iterable[tuple[str, C]] | AsyncIterable[tuple[str, C]]
"""SID or unique name, and the keywords of `update`."""


class UpdateMany(Generic[T]):
    """Iterate over it for outcomes, in the order in which SIMs settle.

    As a context manager, or by `aclose()`, it stops early: nothing more is sent, POSTs on the wire
    get their answers, and what has not settled is left in `unfinished`. Input that was not read
    yet is not in there.
    """

    def __init__(
        self,
        resource: Changing[T],
        changes: Changes[Any],
        *,
        window: int,
        timeout: float | None,
    ) -> None:
        if window < 1:
            raise ValueError(f"window={window}: at least 1 SIM must fit")
        self._resource = resource
        self._connection = resource._connection
        self._changes = changes
        self._timeout = timeout
        self._room = asyncio.Semaphore(window)
        self._outcomes: asyncio.Queue[Outcome[T] | None] = asyncio.Queue()
        self.unfinished: dict[str, Mapping[str, Any]] = {}
        """Changes that were taken from the input and have not ended."""
        self._waits: set[Transition] = set()
        self._posting: dict[asyncio.Task[None], Request | None] = {}
        self._feeder: asyncio.Task[None] | None = None
        self._fed = False
        self._failure: BaseException | None = None
        self._closed = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Outcome[T]:
        if self._feeder is None and not self._closed:
            self._feeder = asyncio.create_task(self._feed(), name="asyncsim-update-many")
            self._connection.on_close(self.aclose)
        outcome = None if self._is_over() else await self._outcomes.get()
        if outcome is None:
            await self.aclose()
            if self._failure is not None:
                failure, self._failure = self._failure, None
                raise failure
            raise StopAsyncIteration
        self._room.release()
        return outcome

    def _is_over(self) -> bool:
        return self._outcomes.empty() and (self._closed or (self._fed and not self.unfinished))

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
            async for name, changes in _items(self._changes):
                await self._room.acquire()
                self._take(name, changes)
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
        self._start(self._one(name, changes))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._posting[task] = None
        task.add_done_callback(self._posted)

    def _posted(self, task: asyncio.Task[None]) -> None:
        self._posting.pop(task, None)
        if not task.cancelled():
            task.result()  # a fault of ours must be heard, by the loop's handler

    def _ring(self) -> None:
        """Wake a consumer that waits for an outcome which will never come."""
        if self._fed and not self.unfinished:
            self._outcomes.put_nowait(None)

    # One SIM.

    async def _one(self, name: str, changes: Mapping[str, Any]) -> None:
        try:
            change = await self._resource.prepare(name, changes)
            await self._post(change, resent=False)
        except Exception as error:  # noqa: BLE001  # whatever it is, it is this SIM's outcome alone
            self._fail(name, changes, error)

    async def _post(self, change: Change, *, resent: bool) -> None:
        watcher = await self._resource.watcher()
        wait = self._wait(change)
        watcher.begin(wait)
        self._waits.add(wait)
        try:
            written = await self._write(change, wait)
        except Conflict as conflict:
            self._drop(wait)
            await self._after_conflict(change, conflict, resent=resent)
            return
        except BaseException:
            self._drop(wait)
            raise
        wait.sink = partial(self._ended, change, recovered=written.recovered and not resent)
        watcher.answered(wait, written.record)

    def _wait(self, change: Change) -> Transition:
        sink = partial(self._ended, change, recovered=False)
        wait = self._resource.wait_for(change.name, change.goal, sink, self._timeout)
        wait.nonce = change.nonce
        wait.trusting = change.goal.status_only
        return wait

    async def _write(self, change: Change, wait: Transition) -> Written[T]:
        request = self._resource.request_for(change)
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  # always run in one of ours
        self._posting[task] = request  # so that closing knows whether it is on the wire
        try:
            return await self._resource.write(change, request)
        finally:
            self._posting[task] = None
            wait.requests += request.attempts

    async def _after_conflict(self, change: Change, conflict: Conflict, *, resent: bool) -> None:
        """Another update is running: let it settle, read, and send once if it is still needed."""
        if resent or self._closed:
            raise conflict
        ended = asyncio.get_running_loop().create_future()
        calm = Goal(self._resource.kind)
        wait = self._resource.wait_for(change.name, calm, partial(wake, ended), self._timeout)
        wait.strict, wait.answered_at = True, self._connection.clock.now()
        watcher = await self._resource.watcher()
        watcher.begin(wait)
        watcher.resume(wait)
        record = await self._resource.finish(watcher, wait, ended)
        if change.goal.judge(record) is Standing.REACHED and change.goal.expected:
            wait.settled_by = "read"
            self._settle(self._outcome(wait, change, None))
        else:
            await self._post(change, resent=True)

    def _ended(self, change: Change, wait: Transition, *, recovered: bool) -> None:
        self._waits.discard(wait)
        if recovered and isinstance(wait.error, TransitionFailed) and not self._closed:
            # Its answer was lost, and what looked like our change was somebody else's.
            self._start(self._again(change))
        else:
            self._settle(self._outcome(wait, change, wait.error))

    async def _again(self, change: Change) -> None:
        try:
            await self._post(change, resent=True)
        except Exception as error:  # noqa: BLE001  # whatever it is, it is this SIM's outcome alone
            self._fail(change.name, change.given, error)

    def _fail(self, name: str, changes: Mapping[str, Any], error: Exception) -> None:
        if not self._closed:  # else it stays unfinished: nobody tried for long enough to say
            self._settle(_refused(name, changes, error))

    def _outcome(self, wait: Transition, change: Change, error: Exception | None) -> Outcome[T]:
        return Outcome(
            sid=change.name,
            requested=change.given,
            sim=wait.last,
            error=error,
            settled_by=wait.settled_by,
            confirmed=wait.confirmed,
            requests=wait.requests,
            seconds=self._connection.clock.now() - wait.started,
        )

    def _settle(self, outcome: Outcome[T]) -> None:
        if self.unfinished.pop(outcome.sid, None) is not None:
            self._outcomes.put_nowait(outcome)
            self._ring()

    def _drop(self, wait: Transition) -> None:
        self._waits.discard(wait)
        if self._resource._watcher is not None:
            self._resource._watcher.abandon(wait)

    # Closing.

    async def aclose(self) -> None:
        """Stop sending, let POSTs on the wire answer, forget the waits."""
        if self._closed:
            return
        self._closed = True
        self._connection.forget(self.aclose)
        if self._feeder is not None:
            self._feeder.cancel()
            await asyncio.gather(self._feeder, return_exceptions=True)
        for task, request in list(self._posting.items()):
            if request is not None and request.in_flight:
                request.halted = True
            else:
                task.cancel()
        await asyncio.gather(*self._posting, return_exceptions=True)
        for wait in list(self._waits):
            self._drop(wait)
        self._outcomes.put_nowait(None)


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

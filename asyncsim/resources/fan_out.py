"""Fan-out: many jobs, read lazily, run within a window, outcomes yielded as they arrive.

A job has a task only while its request is sent. While its SIM is pending, neither the task
nor the job exists, only the wait (`DetachedWaits`).
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from contextvars import Context, copy_context
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Protocol, Self, TypeVar

from attrs import frozen

from asyncsim.calls import Call
from asyncsim.clock import Clock
from asyncsim.context import ClientContext
from asyncsim.core.transition import Transition
from asyncsim.errors import ClientClosed
from asyncsim.events import SettledBy
from asyncsim.http.request import Request, RequestLease
from asyncsim.resources.detached_waits import DetachedWaits, RequestedOf
from asyncsim.resources.outcome import Outcome

if TYPE_CHECKING:  # imported on first use
    from asyncsim.waiting import Watcher

T = TypeVar("T")

# Tasks beyond the concurrency limit, so that a free slot always finds one ready while others wait
# to be resent. More would only queue, and the garbage collector goes through all they hold.
_MOST_AHEAD = 256
_SPARE = 16

StartWatcher = Callable[[], Awaitable["Watcher"]]
"""Returns the watcher, which is created on first use."""


class StepRecorder(Protocol):
    """Records the steps of one job, such as in a journal."""

    @property
    def lease(self) -> RequestLease | None:
        """The permission under which its changes are sent; None: they need none."""
        ...

    async def before_request(self) -> None:
        """Return once the intent to send is recorded; raise, and nothing is sent."""

    async def waits_for_other(self) -> None:
        """Record that another client's change must end before a resend."""

    async def accepted(self, record: Any) -> None:
        """Process the record with which the vendor accepted it; None if it could not be read."""

    def owner_data(self, given: Mapping[str, Any]) -> Any:
        """Return data from which the change can be recalled, now that the job is dropped."""


class FanOutJob(ABC, Generic[T]):
    """The work for one SIM: started by `run`, ended by one outcome, or by detaching a wait."""

    def __init__(
        self,
        name: str,
        given: Mapping[str, Any],
        runner: FanOut[T],
        recorder: StepRecorder | None,
        clock: Clock,
    ) -> None:
        self.name = name
        self.given = given
        self._runner = runner
        self._recorder = recorder
        self._clock = clock
        self._started = clock.now()
        self._wait: Transition | None = None
        self._request: Request | None = None
        """The request being sent."""
        self._spent = 0
        """Requests not counted by `_wait` or `_request`."""
        self._sent = False
        self._closed = False
        self._settled = False

    @abstractmethod
    async def run(self) -> None:
        """Send the requests; afterwards only the wait is left, without a task."""

    @property
    def sent(self) -> bool:
        """Whether a request may have been carried out; a throttled one (429) was not."""
        request = self._request
        return self._sent or (
            request is not None and (request.in_flight or request.in_doubt or request.succeeded)
        )

    def close(self) -> bool:
        """Send nothing more; True when a request is in flight, whose response should be awaited."""
        self._closed = True
        if self._request is None or not self._request.in_flight:
            return False
        self._request.halt()
        return True

    def abandon(self) -> None:
        """Drop the wait."""
        if self._wait is not None and not self._wait.done:
            self._runner.abandon(self._wait)

    def _request_begins(self, request: Request) -> None:
        """Send this request from now on, only under the recorder's lease."""
        self._request = request
        if self._recorder is not None:
            request.lease = self._recorder.lease

    def _request_ended(self, request: Request, wait: Transition) -> None:
        """Keep a request's count, and whether it may have been carried out."""
        self._sent = self.sent
        self._request = None
        wait.count_requests(request.attempts)

    def _settle(
        self,
        error: Exception | None,
        *,
        sim: T | None = None,
        settled_by: SettledBy | None = None,
        confirmed: bool = False,
    ) -> None:
        if self._settled:  # a late response is outdated: the name may be in use again
            return
        self._settled = True
        # A callback can overtake the response to the POST, which the wait has not counted then.
        counted = self._wait.requests if self._wait is not None else 0
        in_flight = self._request.attempts if self._request is not None else 0
        self._runner.settle(
            Outcome(
                sid=self.name,
                requested=self.given,
                sim=sim,
                error=error,
                settled_by=settled_by,
                confirmed=confirmed,
                requests=self._spent + counted + in_flight,
                seconds=self._clock.now() - self._started,
            )
        )


@frozen
class QueuedJob(Generic[T]):
    """A job to be created as soon as the window has room."""

    name: str
    """Unique among the jobs in the window."""
    given: Mapping[str, Any]
    make: Callable[[FanOut[T]], FanOutJob[T]]


class FanOut(Generic[T]):
    """Yields outcomes, in the order in which SIMs settle.

    At the end of `async with`, by `aclose()`, or when its loop is left, it stops early: nothing
    more is sent, POSTs in flight get their responses, and unsettled changes are left in
    `unfinished`. Input not read yet is not included. Only the first two wait until that is done. An
    error from the input is raised once all SIMs read before have settled.
    """

    def __init__(
        self,
        context: ClientContext,
        queue: AsyncGenerator[QueuedJob[T], None],
        *,
        window: int,
        start_watcher: StartWatcher,
        requested_of: RequestedOf,
        call: Call | None = None,
    ) -> None:
        if window < 1:
            raise ValueError(f"window={window}: must be at least 1")
        self._context = context
        self._queue = queue
        self._start_watcher = start_watcher
        self._call = call
        self._room = asyncio.Semaphore(window)
        # At most as long as the window: an outcome keeps its SIM's place until it is consumed.
        self._outcomes: asyncio.Queue[Outcome[T] | None] = asyncio.Queue()
        self._jobs: dict[str, FanOutJob[T]] = {}
        self._detached = DetachedWaits(self._put, requested_of, context.clock)
        self._left: dict[str, Mapping[str, Any]] = {}
        """What has not ended when this is closed."""
        self._tasks: dict[asyncio.Task[None], FanOutJob[T]] = {}
        self._yielded = 0
        """Tasks that wait without needing a slot."""
        self._task_ended = asyncio.Event()
        self._feeder: asyncio.Task[None] | None = None
        self.variables: Context | None = None
        """The context variables of its requests and waits, once it has begun."""
        self._exhausted = False
        self._failure: Exception | None = None
        self.ended = 0
        """SIMs that have an outcome; it may not have been consumed yet."""
        self.failed = 0
        """Those of them that did not reach their target."""
        self._closing = False
        self._closed = asyncio.Event()

    @property
    def unfinished(self) -> dict[str, Mapping[str, Any]]:
        """Changes read from the input that have not ended."""
        running = {name: job.given for name, job in self._jobs.items()}
        return {**self._left, **running, **self._detached.requested()}

    @property
    def unsent(self) -> set[str]:
        """Those in `unfinished` that cannot have been carried out."""
        return {name for name, job in self._jobs.items() if not job.sent}

    def __contains__(self, name: object) -> bool:
        """Tell whether a SIM's change was read from the input and has not ended."""
        return name in self._jobs or name in self._detached

    @property
    def is_done(self) -> bool:
        """Whether all changes have ended."""
        return self._exhausted and not self._jobs and not self._detached

    async def __aiter__(self) -> AsyncGenerator[Outcome[T], None]:
        # A generator, because the event loop finalizes an abandoned one, but not an iterator.
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
            await self._start()
        ended = self._outcomes.empty() and (self._closed.is_set() or self.is_done)
        outcome = None if ended else await self._outcomes.get()
        if outcome is not None:
            self._room.release()
            return outcome
        await self.aclose()
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure
        raise StopAsyncIteration

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def _start(self) -> None:
        # The watcher first, so that a closing client closes this before the watcher.
        self._detached.watcher = await self._start_watcher()
        self._context.on_close(self._client_closes)
        # Begun in a copy, because this returns to the caller while the call goes on.
        self.variables = copy_context()
        if self._call is not None:
            self.variables.run(self._call.begin)
        feeding, variables = self._feed(), self.variables.copy()
        self._feeder = asyncio.create_task(feeding, name="asyncsim-fan-out", context=variables)

    # Feeding.

    async def _feed(self) -> None:
        try:
            while True:
                await self._room.acquire()  # first, so that nothing is read without room for it
                # Tasks that can only queue for a slot must not pile up.
                limit = self._context.limit
                while len(self._tasks) - self._yielded >= _SPARE + limit + min(limit, _MOST_AHEAD):
                    self._task_ended.clear()
                    await self._task_ended.wait()
                    limit = self._context.limit
                self._take(await anext(self._queue))
        except StopAsyncIteration:
            pass
        except Exception as error:  # noqa: BLE001  # the caller's own iterable; raised to the caller
            self._failure = error
        finally:
            await self._queue.aclose()
            self._exhausted = True
            self._wake_consumer()

    def _take(self, queued: QueuedJob[T]) -> None:
        if queued.name in self:
            text = f"{queued.name} is in the window already; its first change has not settled"
            error = ValueError(text)
            self._put(Outcome(sid=queued.name, requested=queued.given, sim=None, error=error))
            return
        self._jobs[queued.name] = job = queued.make(self)
        self.start(job, job.run())

    def _wake_consumer(self) -> None:
        """Wake a consumer that waits for an outcome that will never come."""
        if self._closed.is_set() or (self.is_done and not self._closing):
            self._outcomes.put_nowait(None)

    # Called by jobs.

    def start(self, job: FanOutJob[T], work: Coroutine[Any, Any, None]) -> None:
        """Run a job's work in a task."""
        task = asyncio.create_task(work)
        self._tasks[task] = job
        task.add_done_callback(self._work_ended)

    def _work_ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.pop(task, None)
        self._task_ended.set()
        if not task.cancelled():
            task.result()  # a bug must reach the loop's exception handler

    @contextmanager
    def yielding_slot(self) -> Iterator[None]:
        """Let another job start while this one only waits."""
        self._yielded += 1
        self._task_ended.set()
        try:
            yield
        finally:
            self._yielded -= 1

    def settle(self, outcome: Outcome[T]) -> None:
        """Queue the outcome of a job."""
        if self._jobs.pop(outcome.sid, None) is not None:
            self._put(outcome)

    def detach(self, wait: Transition, owner_data: Any, started: float) -> None:
        """Take over the wait of a job that can be dropped; `owner_data` identifies its change."""
        if self._jobs.pop(wait.name, None) is not None:
            self._detached.add(wait, owner_data, started)

    def abandon(self, wait: Transition) -> None:
        """Drop the wait of a job."""
        if self._detached.watcher is not None:
            self._detached.watcher.abandon(wait)

    def _put(self, outcome: Outcome[T]) -> None:
        self.ended += 1
        self.failed += not outcome.ok
        self._outcomes.put_nowait(outcome)
        self._wake_consumer()

    # Closing.

    async def aclose(self) -> None:
        """Stop sending, let POSTs in flight get their responses, drop the waits."""
        if self._closing:
            await self._closed.wait()
            return
        self._closing = True
        self._context.remove_on_close(self._client_closes)
        try:
            if self._feeder is not None:
                self._feeder.cancel()
                await asyncio.gather(self._feeder, return_exceptions=True)
            for job in self._jobs.values():
                job.close()
            for task, job in list(self._tasks.items()):  # including those that a callback has ended
                if not job.close():
                    task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
        except asyncio.CancelledError:
            self.cancel()  # no request goes on without an owner
            await asyncio.gather(*self._tasks, return_exceptions=True)
            raise
        finally:
            self._left = {name: job.given for name, job in self._jobs.items()}
            for job in self._jobs.values():
                job.abandon()
            self._left |= self._detached.abandon()
            self._closed.set()
            self._wake_consumer()
            if self.variables is not None and self._call is not None:
                self.variables.run(self._call.end, self._failure)

    def cancel(self) -> None:
        """Give up responses, too: requests in flight get an unknown outcome, then `aclose` ends."""
        if self._feeder is not None:
            self._feeder.cancel()
        for task in self._tasks:
            task.cancel()

    async def _client_closes(self) -> None:
        if self._feeder is not None and not self.is_done:
            left = self.unfinished
            what = f"{len(left)} SIMs are left in .unfinished"
            self._failure = ClientClosed(what, sent=len(left) > len(self.unsent))
        await self.aclose()

"""Group commits: steps of many rows, written in one transaction every few milliseconds."""

from __future__ import annotations

import asyncio
import enum
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from copy import copy
from datetime import datetime
from typing import Any

from attrs import frozen
from sqlalchemy import Boolean, Float, Integer, Text, case, func, null
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import TypeEngine

from asyncsim.bulk import failures
from asyncsim.bulk.errors import READ_FIRST, JournalFailed
from asyncsim.bulk.journal.row_updates import RowUpdate, Value
from asyncsim.bulk.journal.schema import rows, storable
from asyncsim.bulk.records import UNFINISHED, Ending, State
from asyncsim.clock import Clock, Timer
from asyncsim.errors import JournalError

TICK = 0.02
"""Seconds between two commits. Each one waits for the disk (fsync): with a commit per row, the
disk would limit the rate of requests."""
_LARGEST_BATCH = 10_000
"""Steps that may wait for their commit; callers with more steps are blocked."""
_WOKEN_AT_ONCE = 64
"""Rows that continue after a commit in one turn of the event loop. Each starts a request, and a
turn that starts a thousand of them delays heartbeats."""
_INTERRUPTED = "writing the journal was interrupted"


class StepKind(enum.Enum):
    """Kinds of steps of a row while a job runs."""

    INTENT = enum.auto()
    UNSENT = enum.auto()
    ACCEPTED = enum.auto()
    ENDED = enum.auto()


@frozen
class Step:
    """One step of one row."""

    kind: StepKind
    row: int
    values: Mapping[str, Any] = {}

    @classmethod
    def ended(cls, row: int, ending: Ending, now: datetime) -> Step:
        """It has ended, or is left in a state."""
        error = ending.error
        values = {
            "new_state": ending.state,
            "new_status": ending.status and storable(ending.status),
            "new_error_type": error and type(error).__name__,
            "new_error": error and storable(str(error)),
            "new_error_parts": error and failures.dump(error),
            "new_settled_by": ending.settled_by,
            "new_confirmed": ending.confirmed,
            "more_requests": ending.requests,
            "new_seconds": ending.seconds,
            "new_sid": ending.sid,
            "new_reference": ending.reference,
            "now": None if ending.state in UNFINISHED else now,
        }
        return cls(StepKind.ENDED, row, values)


def _reference(given: Value) -> Any:
    return func.coalesce(given("new_reference"), rows.c.reference)


_ENDED: Mapping[str, TypeEngine[Any]] = {
    "new_state": rows.c.state.type,
    "new_status": Text(),
    "new_error_type": Text(),
    "new_error": Text(),
    "new_error_parts": Text(),
    "new_settled_by": Text(),
    "new_confirmed": Boolean(),
    "more_requests": Integer(),
    "new_seconds": Float(),
    "new_sid": Text(),
    "new_reference": Text(),
    "now": rows.c.ended_at.type,
}
_UPDATES = {
    # The response to an earlier request says nothing about this one.
    StepKind.INTENT: RowUpdate(
        {},
        lambda given: {
            "state": State.SENDING,
            "retry": False,
            "accepted_at": null(),
            "reference": null(),
        },
    ),
    # The plan has cleared the error of all others: a row with an error was to be a retry, and still
    # is one, as a row that was not reached.
    StepKind.UNSENT: RowUpdate(
        {},
        lambda given: {
            "state": case((rows.c.error_type.is_not(null()), State.FAILED), else_=State.READY),
            "retry": rows.c.error_type.is_not(null()),
        },
    ),
    StepKind.ACCEPTED: RowUpdate(
        {"new_reference": Text(), "now": rows.c.accepted_at.type},
        lambda given: {
            "state": State.ACCEPTED,
            "accepted_at": given("now"),
            "reference": _reference(given),
            "error_type": null(),
            "error": null(),
            "error_parts": null(),
        },
    ),
    StepKind.ENDED: RowUpdate(
        _ENDED,
        lambda given: {
            "state": given("new_state"),
            "status": func.coalesce(given("new_status"), rows.c.status),
            "error_type": given("new_error_type"),
            "error": given("new_error"),
            "error_parts": given("new_error_parts"),
            "settled_by": given("new_settled_by"),
            "confirmed": given("new_confirmed"),
            "requests": rows.c.requests + given("more_requests"),
            "seconds": given("new_seconds"),
            "sid": func.coalesce(given("new_sid"), rows.c.sid),
            "reference": _reference(given),
            "ended_at": given("now"),
        },
    ),
}


async def write_steps(connection: AsyncConnection, job: int, steps: Iterable[Step]) -> None:
    """Write steps in few statements of many rows, keeping the order of each row's steps.

    The first step of each row goes into the first stage, its second into the second; within a
    stage no row occurs twice, so its kinds can be written one after the other.
    """
    stages: list[dict[StepKind, list[Step]]] = []
    seen: defaultdict[int, int] = defaultdict(int)
    for step in steps:
        stage = seen[step.row]
        seen[step.row] += 1
        if stage == len(stages):
            stages.append({})
        stages[stage].setdefault(step.kind, []).append(step)
    for stage_steps in stages:
        for kind, some in stage_steps.items():
            values = [{"row": step.row, **step.values} for step in some]
            if await _UPDATES[kind].execute(connection, job, values) != len(values):
                raise JournalError(
                    "rows of the journal are missing: another program has changed it; restore it"
                    " from a backup"
                )


class _Batch:
    """Steps that are committed together, the outcome of the commit, and its waiters."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.is_written = False
        self.error: JournalError | None = None
        self.is_finished = False
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def wait(self) -> None:
        """Return once it is finished, whatever the outcome."""
        if not self.is_finished:
            waiting = asyncio.get_running_loop().create_future()
            self._waiting.append(waiting)
            await waiting

    async def wake(self) -> None:
        """Wake the waiters, a few in each turn of the event loop; all at once, when cancelled."""
        try:
            while self._waiting:
                self._wake(_WOKEN_AT_ONCE)
                await asyncio.sleep(0)
        finally:
            self._wake(len(self._waiting))

    def _wake(self, most: int) -> None:
        for _ in range(min(most, len(self._waiting))):
            waiting = self._waiting.popleft()
            if not waiting.done():  # it was cancelled
                waiting.set_result(None)


class Writer:
    """Buffers steps and commits them every tick, in the order in which they came.

    After a failed commit no more steps are accepted: they would depend on steps that are
    not in the journal.
    """

    def __init__(
        self,
        commit: Callable[[Sequence[Step]], Awaitable[None]],
        clock: Clock,
        *,
        largest_batch: int = _LARGEST_BATCH,
    ) -> None:
        self._commit = commit
        self._clock = clock
        self._largest_batch = largest_batch
        self._batch = _Batch()
        self._in_flight: _Batch | None = None
        self._due = asyncio.Event()
        self._timer: Timer | None = None
        self._closing = False
        self._error: JournalError | None = None
        self._was_raised = False
        self._task = asyncio.create_task(self._run(), name="asyncsim journal")

    async def buffer(self, step: Step) -> None:
        """Add a step; it is on disk after a tick or two. Waits while the buffer is full."""
        await self._add(step)

    async def commit(self, step: Step) -> None:
        """Add a step and return once it is on disk."""
        await self._wait_for(await self._add(step))

    async def flush(self) -> None:
        """Return once all added steps are on disk."""
        self._check()
        # The batch being committed is older than the other one: it ends first.
        batch = self._batch if self._batch.steps else self._in_flight
        if batch is not None:
            self._due.set()
            await self._wait_for(batch)

    async def close(self) -> JournalError | None:
        """Commit the rest and end; returns an error that no caller has received yet."""
        self._closing = True
        self._due.set()
        await asyncio.wait([self._task])
        if not self._task.cancelled():
            self._task.result()  # raises only after a bug
        return None if self._was_raised else self._error

    async def _add(self, step: Step) -> _Batch:
        self._check()
        # A disk that cannot keep up must slow the job down, not fill the memory.
        while len(self._batch.steps) >= self._largest_batch:
            self._due.set()
            await self._wait_for(self._batch)
            self._check()
        batch = self._batch
        if not batch.steps:
            self._timer = self._clock.call_at(self._clock.now() + TICK, self._due.set)
        batch.steps.append(step)
        return batch

    async def _wait_for(self, batch: _Batch) -> None:
        await batch.wait()
        if batch.error is not None:
            self._raise(batch.error)

    def _check(self) -> None:
        if self._error is not None:
            self._raise(self._error)
        if self._closing:
            raise JournalError("the journal is closed: nothing more can be recorded")

    def _raise(self, error: JournalError) -> None:
        self._was_raised = True
        # A new one for each caller: tracebacks would accumulate in a shared one.
        raise copy(error) from error

    async def _run(self) -> None:
        try:
            while not (self._closing and not self._batch.steps):
                await self._due.wait()
                self._due.clear()
                if self._batch.steps:
                    await self._write_batch()
        finally:
            self._finish(self._batch)  # empty, unless this task was cancelled
            await self._batch.wake()

    async def _write_batch(self) -> None:
        # A new batch first: rows continue while the disk is busy, and go into the next commit.
        batch, self._batch = self._batch, _Batch()
        self._in_flight = batch
        if self._timer is not None:
            self._timer.cancel()
        try:
            if self._error is None:
                await self._commit(batch.steps)
                batch.is_written = True
        except JournalError as error:
            batch.error = error
        finally:
            self._in_flight = None
            self._finish(batch)
            await batch.wake()

    def _finish(self, batch: _Batch) -> None:
        # Steps count as written only once the commit has returned.
        if batch.steps and not batch.is_written:
            batch.error = batch.error or self._error or JournalFailed(_INTERRUPTED, READ_FIRST)
            self._error = self._error or batch.error
        batch.is_finished = True

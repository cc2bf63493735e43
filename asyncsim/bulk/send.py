"""One pass through a job's rows: fed from the journal, run, recorded; stopped without losing any.

The order of things is what makes a crash harmless: that a row will be sent is on disk before its
request goes out, and what became of it is written after. Whatever is written in between, the next
look at the SIMs puts right.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any, Protocol

from attrs import frozen

from asyncsim.bulk.actions import Action
from asyncsim.bulk.journal import Journal
from asyncsim.bulk.records import IN_DOUBT, Ending, Entry, State, Verdict
from asyncsim.bulk.tasks import JobTask, Stopped, StopSignal, ending_of, is_failure, pause_asked
from asyncsim.core.transition import Transition
from asyncsim.errors import (
    AuthenticationError,
    JobError,
    JournalError,
    OutcomeUnknown,
    PermissionDenied,
    QueueTimeout,
    RateLimited,
)
from asyncsim.events import JobProgressed, Observer, RowMoved, notify
from asyncsim.resources.fan_out import FanOut
from asyncsim.resources.outcome import Outcome
from asyncsim.resources.piece import Order

PATIENCE = 20
"""Rows in a row without an answer; then the vendor is away, and the next rows wait a little."""
_LONGEST_PATIENCE = 30.0  # seconds before one more row tries
_SPARE = 16  # rows; a throttle that allows one request must not wait for each commit


class SendPacer:
    """Holds back rows whose request would have no place yet: a crash puts in doubt what is out.

    Twice what the throttle allows keeps that busy while intents are written; of texts, whose
    doubts nothing resolves, just as many as go out at once.
    """

    def __init__(self, task: JobTask) -> None:
        self._context = task.sims.context
        self._once_only = task.action is Action.SEND
        self._unanswered: set[int] = set()
        """Rows whose request is on its way, or will be in a moment."""
        self._answered = asyncio.Event()
        self._silent = 0

    async def wait(self) -> None:
        """Return when one more row may go out."""
        if self._silent >= PATIENCE:  # one tries now and then, an answer ends that
            seconds = min(self._silent / PATIENCE, _LONGEST_PATIENCE)
            await self._context.clock.sleep(seconds)
        while len(self._unanswered) >= self._most():
            self._answered.clear()
            await self._answered.wait()

    def _most(self) -> int:
        limit = int(self._context.limit)
        if not self._once_only:
            return 2 * limit + _SPARE
        # Texts that only wait for their turn would be in doubt as well.
        rate = self._context.throttle.max_rps
        return limit if rate is None else min(limit, self._context.in_flight + int(rate / 10) + 1)

    def goes(self, row: int) -> None:
        """Take note of a row whose request goes out."""
        self._unanswered.add(row)

    def is_answered(self, row: int) -> None:
        """Take note that it is answered, or will not be for long."""
        self._unanswered.discard(row)
        self._answered.set()

    def heard(self, *, answer: bool) -> None:
        """Take note of whether a row has heard from the vendor."""
        self._silent = 0 if answer else self._silent + 1


class Keeper(Protocol):
    """Who has to know of each step."""

    async def intend(self, entry: Entry) -> None:
        """Return once it is on disk that a row's request will go out."""

    async def wait(self, entry: Entry) -> None:
        """Let others go out while another's change of this SIM is waited for."""

    async def accept(self, entry: Entry, record: Any) -> None:
        """Record that the vendor has taken it; None where its response could not be read."""

    def tag(self, entry: Entry) -> int | Entry:
        """Keep of a row that is awaited no more than is needed at its end."""
        ...


class RowRecorder:
    """One row's."""

    def __init__(self, keeper: Keeper, entry: Entry) -> None:
        self._keeper = keeper
        self._entry = entry
        self.waits = partial(keeper.wait, entry)
        self.accepted = partial(keeper.accept, entry)

    async def before(self) -> None:
        """Return once it is on disk that its request will go out."""
        await self._keeper.intend(self._entry)

    def tag(self, given: Mapping[str, Any]) -> int | Entry:
        """Return what tells later which row it was."""
        return self._keeper.tag(self._entry)


def tag_of(entry: Entry) -> int | Entry:
    """Keep of a row as little as can be: of one that was named by its SID, its number."""
    plain = entry.name == entry.sid and not entry.change
    return entry.number if plain else entry


def entry_of(tag: int | Entry, name: str) -> Entry:
    """Return a row by what was kept of it, as far as its end needs it."""
    if isinstance(tag, Entry):
        return tag
    return Entry(
        number=tag,
        line=tag,
        name=name,
        naming="sid",
        change=None,
        state=State.ACCEPTED,
        sid=name,
    )


def moved(entry: Entry, ending: Ending) -> RowMoved:
    """Tell observers where a row has come to."""
    return RowMoved(
        row=entry.number,
        name=entry.name,
        sid=ending.sid or entry.sid,
        state=ending.state.value,
        status=ending.status,
        error=type(ending.error).__name__ if ending.error else None,
        message=str(ending.error) if ending.error else None,
        settled_by=ending.settled_by,
        requests=ending.requests,
        seconds=ending.seconds,
    )


_ADOPTED = IN_DOUBT - {State.TIMED_OUT}
"""What the plan has left in doubt is under way; what timed out has had its time in this run."""
_STEPS = 200  # of progress that observers hear of; of each row they hear anyway


@frozen(kw_only=True)
class Limits:
    """How far a run may go."""

    window: int
    timeout: float | None
    max_failures: int | None
    limit: int | None


class BulkSender:
    """Sends what the plan has made ready and goes on with what was sent before."""

    def __init__(
        self,
        task: JobTask,
        journal: Journal,
        observers: Sequence[Observer],
        limits: Limits,
        halt: StopSignal,
    ) -> None:
        self._task = task
        self._journal = journal
        self._observers = observers
        self._limits = limits
        self._halt = halt
        self._clock = task.sims.context.clock
        self._under_way: dict[str, Entry] = {}
        """By the name under which the fan-out knows it: those that are sent, or have ended. Of
        those that are awaited their waits tell which they are."""
        self._fan: FanOut[Any] | None = None
        self._intended: set[int] = set()
        """Those of them that the journal has as SENDING because of this run."""
        self._pace = SendPacer(task)
        context = task.sims.context
        self._longest = min(context.retry.longest_pause, limits.timeout or context.watching.timeout)
        self._counted: set[int] = set()
        """Those that were sent, where there is a limit to them."""
        self._failures = self._forbidden = self._ended = 0
        self._total = 0

    async def run(self, total: int) -> None:
        """Go through all rows once; return when they have ended, or the run was halted."""
        self._total, self._ended = total, 0
        if self._halt.reason is not None:
            return
        if total:  # the first end may be a minute away
            self._tell_progress()
        fan = FanOut(
            self._task.sims.context,
            self._orders(),
            window=self._limits.window,
            ready=self._task.ready,
            recall=self._recall,
        )
        self._fan = fan
        closing = asyncio.create_task(self._close_when_halted(fan), name="asyncsim-job-halt")
        try:
            while (outcome := await anext(fan, None)) is not None:
                await self._take(outcome)
        except asyncio.CancelledError:
            fan.cut()
            raise
        finally:
            await fan.aclose()
            closing.cancel()
            await asyncio.gather(closing, return_exceptions=True)
            await self._put_back(fan)

    async def _close_when_halted(self, fan: FanOut[Any]) -> None:
        await self._halt.happened.wait()
        await fan.aclose()

    # Rows go out.

    async def _orders(self) -> AsyncGenerator[Order[Any], None]:
        async with aclosing(self._journal.feed(_ADOPTED)) as doubtful:
            async for entry in doubtful:
                if not await self._is_twin(entry):
                    yield self._order(entry)
        async with aclosing(self._journal.feed({State.READY, State.FAILED})) as ready:
            async for entry in ready:
                if await self._is_twin(entry):
                    continue
                if not self._may_send(entry):
                    return
                await self._pace.wait()
                if entry.verdict is not Verdict.BUSY:  # else another's change is waited for first
                    self._pace.goes(entry.number)
                yield self._order(entry)

    def _may_send(self, entry: Entry) -> bool:
        """Count a row that will be sent; False beyond the limit, where what was sent may settle."""
        if self._limits.limit is None or entry.number in self._counted:
            return True
        if len(self._counted) >= self._limits.limit:
            self._halt.reason = self._halt.reason or "limit"
            return False
        self._counted.add(entry.number)
        return True

    async def _is_twin(self, entry: Entry) -> bool:
        """Refuse a row whose SIM another row is changing, by a name that was unknown at first."""
        name = entry.sid or entry.name
        if name not in self._under_way and not (self._fan is not None and name in self._fan):
            return False
        error = JobError(f"line {entry.line}: another row means the same SIM, {entry.sid}")
        ending = Ending(state=State.FAILED, error=error)
        await self._journal.ended(entry.number, ending)
        self._count(ending)
        self._notify(entry, ending)
        return True

    def _order(self, entry: Entry) -> Order[Any]:
        order = self._task.order(entry, RowRecorder(self, entry), self._limits.timeout)
        self._under_way[order.name] = entry
        return order

    async def wait(self, entry: Entry) -> None:
        """Let others go out while another's change of this SIM is waited for."""
        self._pace.is_answered(entry.number)

    def tag(self, entry: Entry) -> int | Entry:
        """Keep of a row that is awaited no more than is needed at its end."""
        self._under_way.pop(entry.sid or entry.name, None)
        return tag_of(entry)

    def _recall(self, wait: Transition) -> Mapping[str, Any]:
        """Have a row back that was awaited, and tell what was asked of it."""
        entry = entry_of(wait.owner_data, wait.name)
        self._under_way[wait.name] = entry
        return self._task.asked(entry)

    # What becomes of them.

    async def intend(self, entry: Entry) -> None:
        """Return once it is on disk that a row's request will go out."""
        if not self._may_send(entry):
            raise Stopped
        self._pace.goes(entry.number)
        self._intended.add(entry.number)  # first: who stops while it is written puts it back
        await self._journal.intent(entry.number)
        self._notify(entry, Ending(state=State.SENDING))

    async def accept(self, entry: Entry, record: Any) -> None:
        """Record that the vendor has taken it; `record` is None where that could not be read."""
        self._pace.is_answered(entry.number)
        self._pace.heard(answer=True)
        self._forbidden = 0
        created = record.sid if self._task.action is Action.SEND else None
        self._intended.discard(entry.number)
        await self._journal.accepted(entry.number, reference=created)
        status = record.status if record is not None else None
        self._notify(entry, Ending(state=State.ACCEPTED, status=status))

    async def _take(self, outcome: Outcome[Any]) -> None:
        entry = self._under_way.pop(outcome.sid)
        self._pace.is_answered(entry.number)
        error = outcome.error
        if isinstance(error, Stopped):
            return  # beyond the limit: it stays where it is
        if isinstance(error, JournalError | AuthenticationError):
            self._halt(f"{type(error).__name__}", error)
            # Refused at the door. Whether an earlier request was carried out, the next look tells;
            # of texts it could not, and those go out only once.
            text = self._task.action is Action.SEND and outcome.sim is None
            if text and isinstance(error, AuthenticationError):
                await self._give_back(entry)
            return
        if seconds := pause_asked(error, self._longest):
            self._halt.for_pause(seconds)
            if not isinstance(error, OutcomeUnknown):
                # In doubt, if it may have been carried out: then the next run looks first.
                if isinstance(error, RateLimited | QueueTimeout) and not error.outcome_unknown:
                    await self._give_back(entry)
                return
        ending = ending_of(self._task.action, outcome, entry.reference)
        await self._journal.ended(entry.number, ending)
        self._intended.discard(entry.number)
        self._count(ending)
        self._notify(entry, ending)

    def _count(self, ending: Ending) -> None:
        self._ended += 1
        self._pace.heard(answer=ending.state is not State.NO_ANSWER)
        self._failures += is_failure(ending.state)
        forbidden = ending.state is State.FAILED and isinstance(ending.error, PermissionDenied)
        self._forbidden = self._forbidden + 1 if forbidden else 0
        if self._forbidden >= PATIENCE:  # rights were taken away: all others would fail as well
            self._halt("PermissionDenied", ending.error)
        if self._limits.max_failures is not None and self._failures > self._limits.max_failures:
            self._halt("max_failures")
        if self._ended % max(self._total // _STEPS, 1) == 0 or self._ended == self._total:
            self._tell_progress()

    def _tell_progress(self) -> None:
        progress = JobProgressed(phase="sending", done=self._ended, total=self._total)
        notify(self._observers, progress)

    async def _put_back(self, fan: FanOut[Any]) -> None:
        """Let the journal know of rows that were to be sent, and were not."""
        for name in fan.unsent:
            await self._give_back(self._under_way[name])

    async def _give_back(self, entry: Entry) -> None:
        if entry.number in self._intended:
            self._intended.discard(entry.number)
            await self._journal.back(entry.number)

    def _notify(self, entry: Entry, ending: Ending) -> None:
        if self._observers:
            notify(self._observers, moved(entry, ending))

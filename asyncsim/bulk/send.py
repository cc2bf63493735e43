"""Sending of a job's rows: fed from the journal, run in a fan-out, recorded step by step.

The order of writes makes a crash harmless: the intent to send a row is on disk before its request
is sent, and its outcome is written after. A crash in between leaves the row in doubt, and the
next plan reads its SIM before anything is resent.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing, suppress
from typing import Any

from attrs import define, field, frozen

from asyncsim.bulk.actions import Action
from asyncsim.bulk.breaker import what_to_check
from asyncsim.bulk.errors import Fenced, LeaseLost
from asyncsim.bulk.journal import Journal
from asyncsim.bulk.lease import Lease
from asyncsim.bulk.records import IN_DOUBT, Ending, Entry, State, Verdict
from asyncsim.bulk.stop_rules import StopRules
from asyncsim.bulk.tasks import JobTask, Stopped, StopSignal, ending_of, requested_pause
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
from asyncsim.resources.fan_out import FanOut, QueuedJob
from asyncsim.resources.outcome import Outcome

# Consecutive rows without a response: the vendor is down. A few of them concern single rows.
_ALIKE = 20
_LONGEST_PAUSE = 30.0  # seconds between two rows that probe whether an outage is over
_SPARE = 16  # rows; with none, each request would wait for the commit of its intent
_PROGRESS_STEPS = 200  # progress events per pass; each row has its own events anyway
# The plan leaves rows in flight as IN_DOUBT. A row that timed out has used up its time in this run.
_IN_FLIGHT = IN_DOUBT - {State.TIMED_OUT}
_ONE_RESPONSE = frozenset({Action.DELETE, Action.REGISTER})  # their acceptance is their end


@frozen
class Limits:
    """Limits of a run; ValueError for impossible ones."""

    window: int
    timeout: float | None
    deadline: float | None
    max_failures: int | None
    breaker: int | None
    limit: int | None
    confirm_above: int | None

    def __attrs_post_init__(self) -> None:
        for name in ("window", "timeout", "deadline", "breaker", "limit"):
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise ValueError(f"{name}={value!r}: must be greater than 0")
        for name in ("max_failures", "confirm_above"):
            value = getattr(self, name)
            if value is not None and value < 0:
                raise ValueError(f"{name}={value}: must be 0 or more")


@define
class SendPace:
    """What all senders of a client share: its concurrency limit, and an outage of the vendor."""

    in_flight: Counter[bool] = field(factory=Counter)
    """Rows, texts (True) apart: more updates than the limit of texts would leave those no room."""
    without_response: int = 0
    """Consecutive rows without a response."""
    room: asyncio.Event = field(factory=asyncio.Event)


class SendPacer:
    """Holds back rows whose request could not be sent yet: a crash would leave them in doubt.

    Twice the concurrency limit keeps all slots busy while intents are written. For texts, whose
    outcome no read can show, it is exactly the concurrency limit. All senders of a client share
    this limit, such as those of a worker's chunks.
    """

    def __init__(self, task: JobTask, pace: SendPace | None = None) -> None:
        self._context = task.context
        self._only_once = task.action is Action.SEND
        self._pace = pace or SendPace()
        self._in_flight: set[int] = set()
        """Rows of this sender whose request is in flight or about to be sent."""

    async def wait(self) -> None:
        """Return when one more row may be sent."""
        pace = self._pace
        if pace.without_response >= _ALIKE:
            # One row at a time probes; in an outage thousands would only become NO_ANSWER.
            pause = min(pace.without_response / _ALIKE, _LONGEST_PAUSE)
            await self._context.clock.sleep(pause)
        while pace.in_flight[self._only_once] >= self._ceiling():
            pace.room.clear()
            await pace.room.wait()

    def _ceiling(self) -> int:
        # A share of a shared limit may be 0 for a moment, and nothing would wake this.
        limit, rate = max(1, int(self._context.limit)), self._context.throttle.max_rps
        if not self._only_once:
            return 2 * limit + _SPARE
        # Texts that only queue for `max_rps` would be in doubt, too: admit a tenth of a second's
        # worth.
        return limit if rate is None else min(limit, self._context.in_flight + int(rate / 10) + 1)

    def sending(self, row: int) -> None:
        """Count a row whose request is sent."""
        self._pace.in_flight[self._only_once] += row not in self._in_flight
        self._in_flight.add(row)

    def finished(self, *rows: int) -> None:
        """Stop counting rows: they have their response, or will not send for long."""
        for row in rows:
            self._pace.in_flight[self._only_once] -= row in self._in_flight
            self._in_flight.discard(row)
        self._pace.room.set()

    def close(self) -> None:
        """Stop counting all rows of this sender."""
        self.finished(*self._in_flight)

    def reached_vendor(self, *, responded: bool) -> None:
        """Count consecutive rows without a response; the first response ends the outage."""
        pace = self._pace
        pace.without_response = 0 if responded else pace.without_response + 1


class RowRecorder:
    """Records the steps of one row's request in the journal."""

    def __init__(self, sender: BulkSender, entry: Entry) -> None:
        self._sender = sender
        self._entry = entry
        self.lease = sender.lease

    async def before_request(self) -> None:
        """Return once the intent to send is on disk; raise, and nothing is sent."""
        sender, entry = self._sender, self._entry
        if not sender.may_send(entry):
            raise Stopped
        sender.pacer.sending(entry.number)
        sender.intended.add(entry.number)  # first: a stop during the write has to undo it
        await sender.journal.record_intent(entry.number)
        sender.notify_moved(entry, Ending(state=State.SENDING))

    async def waits_for_other(self) -> None:
        """Let other rows be sent: another client's change of this SIM has to settle first."""
        self._sender.pacer.finished(self._entry.number)

    async def accepted(self, record: Any) -> None:
        """Record that the vendor has accepted it; `record` is None if it could not be read."""
        self._sender.pacer.finished(self._entry.number)
        await self._sender.record_accepted(self._entry, record)

    def owner_data(self, given: Mapping[str, Any]) -> int | Entry:
        """The little that `BulkSender` needs at the end of a detached row.

        A million rows may wait at once: for a row with a SID, its number is enough.
        """
        entry = self._entry
        self._sender.sent.pop(entry.sid or entry.name, None)
        return entry.number if entry.name == entry.sid and not entry.change else entry


class BulkSender:
    """Sends the rows that the plan made ready, and resumes those that earlier runs sent."""

    def __init__(
        self,
        task: JobTask,
        journal: Journal,
        observers: Sequence[Observer],
        limits: Limits,
        rules: StopRules,
        stop: StopSignal,
        *,
        lease: Lease | None = None,
        pace: SendPace | None = None,
    ) -> None:
        self.journal = journal
        self.lease = lease
        """The lease under which changes are sent, if other workers may take the rows over."""
        self.pacer = SendPacer(task, pace)
        self.sent: dict[str, Entry] = {}
        """Rows in the fan-out, by name; a detached wait carries its row itself."""
        self.intended: set[int] = set()
        """Rows that this run has marked as SENDING and that have no response yet."""
        self._task = task
        self._observers = observers
        self._limits = limits
        self._rules = rules
        self._stop = stop
        self._fan_out: FanOut[Any] | None = None
        context = task.context
        self._longest_pause = min(
            context.retry.longest_pause, limits.timeout or context.watching.timeout
        )
        self._limited: set[int] = set()
        """Rows counted against `Limits.limit`."""
        self._ended = self._total = 0

    async def run(self, total: int) -> None:
        """Send all rows once; return when they have ended, or the run was stopped."""
        self._total, self._ended = total, 0
        if self._stop.reason is not None:
            return
        if total:  # early: the first row may take a minute to settle
            self._notify_progress()
        self._fan_out = fan_out = FanOut(
            self._task.context,
            self._queue(),
            window=self._limits.window,
            start_watcher=self._task.start_watcher,
            requested_of=self._recall,
        )

        async def close_when_stopped() -> None:
            await self._stop.event.wait()
            await fan_out.aclose()

        closing = asyncio.create_task(close_when_stopped(), name="asyncsim-job-closing")
        try:
            # Outcomes are recorded one by one, in settling order: the journal groups its commits.
            while (outcome := await anext(fan_out, None)) is not None:
                await self._record(outcome)
        except asyncio.CancelledError:
            self.journal.hurry()
            fan_out.cancel()
            raise
        except Fenced:
            self._end_lease()
            raise
        finally:
            try:
                await fan_out.aclose()
            finally:
                closing.cancel()
                try:
                    await asyncio.gather(closing, return_exceptions=True)
                finally:
                    # All senders of the client share it: rows left in it would hold them back.
                    self.pacer.close()
            with suppress(JournalError):  # the next step raises it, unless this was cancelled
                for name in fan_out.unsent:
                    await self._take_back(self.sent[name])

    # Feeding rows.

    async def _queue(self) -> AsyncGenerator[QueuedJob[Any], None]:
        # Rows in doubt first: their changes are in flight, and do not count against `limit`.
        async with aclosing(self.journal.entries(_IN_FLIGHT)) as in_flight:
            async for entry in in_flight:
                if not await self._is_duplicate(entry):
                    yield self._queued(entry)
        async with aclosing(self.journal.entries({State.READY, State.FAILED})) as ready:
            async for entry in ready:
                if await self._is_duplicate(entry):
                    continue
                if not self.may_send(entry):
                    return
                await self.pacer.wait()
                if entry.verdict is not Verdict.BUSY:  # a busy SIM waits for another change first
                    self.pacer.sending(entry.number)
                yield self._queued(entry)

    def _queued(self, entry: Entry) -> QueuedJob[Any]:
        job = self._task.queued(entry, RowRecorder(self, entry), self._limits.timeout)
        self.sent[job.name] = entry
        return job

    def may_send(self, entry: Entry) -> bool:
        """Count a row against the limit; False beyond it, so that sent rows can settle."""
        if self._limits.limit is None or entry.number in self._limited:
            return True
        if len(self._limited) >= self._limits.limit:
            self._stop.send_no_more("limit")
            return False
        self._limited.add(entry.number)
        return True

    async def _is_duplicate(self, entry: Entry) -> bool:
        """Fail a row whose SIM another row changes under another name, unknown until now."""
        name = entry.sid or entry.name
        if name not in self.sent and not (self._fan_out is not None and name in self._fan_out):
            return False
        error = JobError(f"line {entry.line}: another row names the same SIM, {entry.sid}")
        await self._record_ending(entry, Ending(state=State.FAILED, error=error))
        return True

    def _recall(self, wait: Transition) -> Mapping[str, Any]:
        """Restore the row of a detached wait, and return its change."""
        entry, name = wait.owner_data, wait.name
        if not isinstance(entry, Entry):  # `RowRecorder.owner_data` kept only its number
            entry = Entry(
                number=entry,
                line=entry,
                name=name,
                naming="sid",
                change=None,
                state=State.ACCEPTED,
                sid=name,
            )
        self.sent[name] = entry
        return self._task.change_of(entry)

    # Outcomes.

    async def record_accepted(self, entry: Entry, record: Any) -> None:
        """Record that the vendor has accepted a row's change, or created its text."""
        self.pacer.reached_vendor(responded=True)
        self._rules.breaker.accepted()
        created = record.sid if self._task.action is Action.SEND else None
        self.intended.discard(entry.number)
        await self.journal.record_accepted(entry.number, reference=created)
        status = record.status if record is not None else None
        self.notify_moved(entry, Ending(state=State.ACCEPTED, status=status))

    async def _record(self, outcome: Outcome[Any]) -> None:
        entry, error = self.sent.pop(outcome.sid), outcome.error
        self.pacer.finished(entry.number)
        if isinstance(error, Stopped):
            return  # beyond the limit: its state is unchanged
        if isinstance(error, JournalError | AuthenticationError):
            if isinstance(error, Fenced):
                self._end_lease()
            self._stop.stop(type(error).__name__, error)
            # An earlier attempt of an update may have been carried out: the row stays SENDING, and
            # the next plan reads its SIM. A text cannot be read, but it has no earlier attempt
            # either, as a create is never retried: it was rejected, so it can be resent.
            text = self._task.action is Action.SEND and outcome.sim is None
            if text and isinstance(error, AuthenticationError):
                await self._take_back(entry)
            elif text and isinstance(error, LeaseLost) and not error.sent:
                # Otherwise the next owner has to leave it unknown. Once there is one, the journal
                # rejects this write.
                with suppress(JournalError):
                    await self._take_back(entry)
            return
        if seconds := requested_pause(error, self._longest_pause):
            self._stop.stop_for_pause(seconds)
            if not isinstance(error, OutcomeUnknown):
                if isinstance(error, RateLimited | QueueTimeout) and not error.outcome_unknown:
                    await self._take_back(entry)  # throttled requests were never processed
                return  # it stays SENDING, and the next plan reads its SIM first
        ending = ending_of(self._task.action, outcome, entry.reference)
        await self._record_ending(entry, ending)

    def _end_lease(self) -> None:
        """Cut the requests in flight: the new owner of these rows reads their SIMs already."""
        if self.lease is not None:
            self.lease.end()

    async def _record_ending(self, entry: Entry, ending: Ending) -> None:
        await self.journal.record_ending(entry.number, ending)
        self.intended.discard(entry.number)
        self._ended += 1
        self.pacer.reached_vendor(responded=ending.state is not State.NO_ANSWER)
        breaker = self._rules.breaker
        if ending.state is State.DONE and self._task.action in _ONE_RESPONSE:
            breaker.accepted()
        if breaker.ended(ending) and ending.error is not None:
            self._break(ending.error)
        if await self._rules.too_many_failures(ending):
            self._stop.stop("max_failures")
        if self._ended % max(self._total // _PROGRESS_STEPS, 1) == 0 or self._ended == self._total:
            self._notify_progress()
        self.notify_moved(entry, ending)

    def _break(self, error: Exception) -> None:
        """Stop the run: the vendor would most likely reject the other rows in the same way."""
        # One resource may be forbidden while others succeed, so a single 403 proves nothing; this
        # many of them are about the credentials.
        denied = error if isinstance(error, PermissionDenied) else None
        self._stop.advice = (
            f"{self._limits.breaker} SIMs in a row were rejected in the same way ({error}):"
            f" check {what_to_check(error)}"
        )
        self._stop.stop("PermissionDenied" if denied else "breaker", denied)

    async def _take_back(self, entry: Entry) -> None:
        """Undo the intent of a row that was not sent after all."""
        if entry.number in self.intended:
            self.intended.discard(entry.number)
            await self.journal.record_unsent(entry.number)

    # Events.

    def _notify_progress(self) -> None:
        task = self._task
        progress = JobProgressed(
            vendor=task.context.vendor.name,
            product=task.product,
            phase="sending",
            done=self._ended,
            total=self._total,
        )
        notify(self._observers, progress)

    def notify_moved(self, entry: Entry, ending: Ending) -> None:
        """Tell observers the new state of a row."""
        if not self._observers:
            return
        error, task = ending.error, self._task
        moved = RowMoved(
            vendor=task.context.vendor.name,
            product=task.product,
            row=entry.number,
            name=entry.name,
            sid=ending.sid or entry.sid,
            state=ending.state.value,
            status=ending.status,
            error=type(error).__name__ if error else None,
            message=str(error) if error else None,
            settled_by=ending.settled_by,
            requests=ending.requests,
            seconds=ending.seconds,
        )
        notify(self._observers, moved)

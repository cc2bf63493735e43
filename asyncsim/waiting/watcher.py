"""The driver: deadlines, planned reads and sweeps, callbacks; facts in, steps followed."""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

from asyncsim.callbacks.bus import Callback
from asyncsim.clock import Clock
from asyncsim.core.credentials import Credentials
from asyncsim.core.polling import PollState, read_pause, retry_pause, should_sweep
from asyncsim.core.settings import Watching
from asyncsim.core.transition import NextStep, Transition
from asyncsim.errors import AsyncSimError, ClientClosed, DecodeError, WrongResource
from asyncsim.events import Event, Observer, SettledBy, WaitSettled, notify
from asyncsim.kind import Kind, is_same_sid
from asyncsim.waiting.deadlines import Deadlines
from asyncsim.waiting.doubt import Doubt
from asyncsim.waiting.listed import Listed
from asyncsim.waiting.reads import Readers
from asyncsim.waiting.rows import Rows
from asyncsim.waiting.sweeps import Sweeper
from asyncsim.waiting.tasks import Tasks
from asyncsim.waiting.timers import Timetable
from asyncsim.waiting.unknown import Unknown
from asyncsim.waiting.waits import Register


class Watcher:
    """Drives the waits of one product of one client."""

    def __init__(
        self,
        kind: Kind[Any],
        *,
        fetch: Callable[[str], Awaitable[Any]],
        rows: Rows,
        clock: Clock,
        watching: Watching,
        observers: Sequence[Observer],
        grace: float,
        credentials: Credentials,
    ) -> None:
        self._kind = kind
        self._clock = clock
        self._watching = watching
        self._observers = observers
        self._grace = grace
        """Seconds for the last read after a deadline; then the wait ends in any case."""
        self._waits = Register()
        self._listed = Listed(self._waits)
        self._unanswered = 0
        """Waits whose POST is still queued, or on its way."""
        self._turns = Timetable()
        """When to read which wait next."""
        self._deadlines = Deadlines()
        self._last_reads: set[Transition] = set()
        self._tasks = Tasks()
        self._driver: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        self._rests_until = -math.inf
        self._by_list = False
        self._closed = False
        self._unknown = Unknown(kind, self._notify)
        self._readers = Readers(fetch, self._tasks.spawn, self, credentials, clock)
        self._doubt = Doubt(
            credentials,
            self._waits,
            self._readers,
            first=watching.first,
            wake=self._wake.set,
            end=self._finish,
        )
        self._sweeper = Sweeper(
            kind,
            rows,
            clock=clock,
            watching=watching,
            listed=self._listed,
            situation=self._situation,
            wake=self._wake.set,
            waits=self._waits,
            spawn=self._tasks.spawn,
            take=self._take,
            read=self._readers.ask,
            reading=self._readers,
            notify=self._notify,
            refused=credentials.refused,
        )

    def __len__(self) -> int:
        """How many waits there are."""
        return len(self._waits)

    def __iter__(self) -> Iterator[Transition]:
        return iter(self._waits)

    def find(self, name: str) -> list[Transition]:
        """Return the waits known under a name, or a SID."""
        return self._waits.of(name)

    @property
    def is_idle(self) -> bool:
        """Whether nothing is left: no wait, no task, no timer."""
        return not self._waits and not self._tasks and self._driver is None

    # Waits come and go.

    def register(self, wait: Transition) -> None:
        """Take up a wait; before its POST is sent, so that no callback can come too early.

        Its deadline counts from the answer of the POST, which has deadlines of its own.
        """
        if self._closed:
            raise ClientClosed(
                f"await {wait.label}", sent=not (wait.no_request or wait.post_pending)
            )
        self._waits.add(wait)
        self._unanswered += wait.post_pending

    def accepted(self, wait: Transition, record: Any) -> None:
        """Give a wait the answer of its POST."""
        waits = wait in self._waits
        self._unanswered -= waits
        self._unknown.notice(record)
        step = wait.accepted(record, self._clock.now())
        if waits:
            self._waits.name(wait, record.sid)
            self._set_deadline(wait)
            self._follow(wait, step)

    def accepted_unread(self, wait: Transition, unread: DecodeError) -> None:
        """Go on by reads where the response of the POST could not be used."""
        waits = wait in self._waits
        self._unanswered -= waits
        wait.last_error = unread
        step = wait.accepted_unread(self._clock.now())
        if waits:
            self._identify(wait, unread.accepted)
            self._set_deadline(wait)
            self._follow(wait, step)

    def resume(self, wait: Transition, record: Any = None) -> None:
        """Go on with a wait whose POST was answered earlier, or was never one.

        Reads first, unless `record` says that it is pending.
        """
        wait.resumed_at = self._clock.now()
        self._set_deadline(wait)
        pending = record is not None and wait.goal.is_pending(record)
        self._follow(wait, wait.read(record, self._clock.now()) if pending else NextStep.READ)

    def _set_deadline(self, wait: Transition) -> None:
        self._deadlines.add(wait, self._clock.now())
        self._look_by(wait.deadline or 0.0)
        if self._driver is None:
            name = f"asyncsim-watch-{self._kind.product}"
            self._driver = asyncio.create_task(self._drive(), name=name)

    def abandon(self, wait: Transition) -> None:
        """Forget a wait: its task was cancelled, or its POST was refused."""
        wait.done = True
        wait.on_done = _nobody
        self._readers.cancel(wait)
        self._remove(wait)

    def handle_callback(self, callback: Callback) -> bool:
        """Give a callback to the waits it names; False when there is none."""
        waits = self._waits.of(callback.name, callback.sid or callback.name)
        sid = callback.sid if callback.sid and self._kind.is_sid(callback.sid) else None
        reading: Transition | None = None
        for wait in waits:
            same = sid is None or wait.sid in (None, sid)
            current = callback.nonce == wait.nonce and same
            if current and wait.nonce is not None:
                self._identify(wait, sid)
            step = wait.callback_received(
                callback.status,
                self._clock.now(),
                signed=callback.signed and current and callback.method == "POST",
                current=current,
                code=callback.error_code,
                message=callback.error_message,
            )
            if step is NextStep.READ and reading is not None and _are_of_one_sim(wait, reading):
                step = NextStep.WAIT  # that read serves both
            elif step is NextStep.READ:
                reading = wait
            self._follow(wait, step)
        return bool(waits)

    def _identify(self, wait: Transition, sid: str | None) -> None:
        """Read it by SID from now on; its POST may just have taken its name away."""
        if sid is not None and wait.sid is None:
            wait.sid = sid
            self._waits.name(wait, sid)

    def _remove(self, wait: Transition) -> bool:
        self._listed.discard(wait)
        self._last_reads.discard(wait)
        self._turns.forget(wait)
        self._deadlines.forget(wait)
        self._readers.forget(wait)
        removed = self._waits.remove(wait)
        self._unanswered -= removed and wait.post_pending
        if not self._waits:
            self._wake.set()  # the driver goes home
        return removed

    # Facts become steps.

    def _follow(self, wait: Transition, step: NextStep) -> None:
        if step is NextStep.DONE:
            self._finish(wait)
            return
        self._list(wait, step)
        if step is NextStep.READ:
            self._readers.ask(wait)
        elif step is NextStep.READ_LATER:
            self._read_at(wait.hold_until, wait)
        elif wait.callback_read_due:
            self._read_at(wait.next_callback_read_at, wait)
        elif step is NextStep.READ_SELDOM:
            self._read_at(self._clock.now() + self._watching.longest, wait)
        elif not (self._by_list and wait in self._listed) and wait.accepted_at is not None:
            self._read_at(self._clock.now() + self._pause(wait), wait)

    def _list(self, wait: Transition, step: NextStep) -> None:
        """Keep track of which waits a sweep would tell about."""
        tells = step in (NextStep.WAIT, NextStep.READ) and not (
            wait.goal.resets_connectivity or wait.read_singly
        )
        if tells and wait.accepted_at is not None and wait in self._waits:
            self._listed.add(wait)
            if not self._by_list and len(self._listed) >= self._watching.sweep_from:
                self._wake.set()
        else:
            self._listed.discard(wait)

    def _pause(self, wait: Transition) -> float:
        age = 0.0 if wait.accepted_at is None else self._clock.now() - wait.accepted_at
        draw = random.random()  # noqa: S311  # jitter
        return read_pause(
            self._watching, wait.reads, draw, expecting=wait.expects_callback, age=age
        )

    def _read_at(self, moment: float, wait: Transition) -> None:
        self._turns.set(wait, moment)
        self._look_by(moment)

    def _finish(self, wait: Transition) -> None:
        if not self._remove(wait):
            return
        if self._observers:
            self._tell_settled(wait)
        sink, wait.on_done = wait.on_done, _nobody
        sink(wait)

    def _tell_settled(self, wait: Transition) -> None:
        event = WaitSettled(
            product=self._kind.product,
            name=wait.label,
            settled_by=wait.settled_by,
            seconds=self._clock.now() - wait.started,
            requests=wait.requests,
            error=type(wait.error).__name__ if wait.error else None,
        )
        self._notify(event)

    def _take(self, record: Any, source: SettledBy, began: float, *names: str) -> None:
        now = self._clock.now()
        self._unknown.notice(record)
        for wait in self._waits.of(record.sid, *names):
            if wait.sid is not None and not is_same_sid(wait.sid, record.sid):
                continue  # they share a name, which has been given to another SIM
            self._waits.name(wait, record.sid)
            step = wait.read(record, now, source, began=began)
            if record.status in self._kind.pending:
                self._sweeper.trust.contradict(wait)
            self._follow(wait, step)

    # What single reads report.

    def record_read(self, wait: Transition, record: Any, began: float) -> None:
        """One read serves all waits for the same SIM."""
        if wait.sid is not None and not is_same_sid(wait.sid, record.sid):
            # The name by which it was read is another SIM's by now; its SID is known meanwhile.
            wrong = WrongResource(wait.sid, record.sid, noun=self._kind.noun)
            self.read_failed(wait, wrong, began)
        # A name that was read serves those who know no more than the name.
        self._take(record, "read", began, *([wait.name] if wait.sid is None else ()))

    def read_failed(self, wait: Transition, error: Exception, began: float) -> None:
        """Try again later, not before the vendor wants it; the deadline bounds it."""
        now = self._clock.now()
        if wait not in self._waits:
            return
        own = self._doubt.is_own(wait, error, now)
        if wait.read_failed(error, now, own=own) is NextStep.DONE:
            self._finish(wait)
            return
        told: float = getattr(error, "retry_after", None) or 0.0
        draw = random.random()  # noqa: S311  # jitter
        pause = min(self._pause(wait), retry_pause(self._watching, wait.failures, draw))
        self._read_at(now + max(pause, told), wait)
        if not own:
            self._doubt.raise_for(error, began)

    def read_over(self, wait: Transition, *, again: bool) -> None:
        """After the last read there is nothing more to hope for."""
        if wait in self._last_reads and not again:
            self._time_out(wait)

    # The driver.

    async def _drive(self) -> None:
        try:
            while self._waits:
                now = self._clock.now()
                self._expire(now)
                self._collect(now)
                if self._doubt.reason is None:
                    self._choose(now)
                else:
                    self._doubt.probe(now)
                await self._rest()
        except Exception as error:
            self._give_up(error)
            raise
        finally:
            self._driver = None
            self._sweeper.cancel()
            self._by_list = False

    def _give_up(self, why: Exception) -> None:
        """End all waits: the fault is ours to mend, but nobody may hang on it."""
        for wait in self._waits:
            wait.abort(AsyncSimError(f"waiting for {wait.label} broke down: {why!r}"))
            with contextlib.suppress(Exception):  # of one sink; the others must hear as well
                self._finish(wait)

    def _situation(self) -> PollState:
        return PollState(
            pending=len(self._listed),
            expecting=self._listed.expecting,
            age=self._listed.age(self._clock.now()),
            unanswered=self._unanswered,
            lists=len(self._kind.pending),
            listing=self._by_list,
            trusted=bool(self._sweeper.trust),
        )

    def _choose(self, now: float) -> None:
        """Single reads or sweeps; single reads go on whatever becomes of the planning."""
        try:
            self._plan(now)
        except Exception as error:  # noqa: BLE001  # ours to mend: the loop's handler hears
            text = f"planning sweeps of {self._kind.product} broke down"
            asyncio.get_running_loop().call_exception_handler({"message": text, "exception": error})
            self._sweeper.trust.lose(f"planning them broke down: {error!r}")
            self._read_singly(now, self._by_list)

    def _plan(self, now: float) -> None:
        """Choose between the two; and sweep if it is time."""
        situation = self._situation()
        before, self._by_list = self._by_list, should_sweep(self._watching, situation)
        if self._by_list and not before:
            for wait in self._listed:  # they were few, but their turns would be kept for long
                self._turns.forget(wait)
        if not self._by_list:
            self._read_singly(now, before)
            return
        self._sweeper.plan()
        if self._sweeper.due_at is not None and self._sweeper.due_at <= now:
            self._sweeper.start()

    def _read_singly(self, now: float, until_now_by_list: bool) -> None:
        self._by_list = False
        self._sweeper.stop()
        for wait in self._listed if until_now_by_list else ():
            self._read_at(now + self._pause(wait), wait)

    def _expire(self, now: float) -> None:
        for wait in self._deadlines.due(now):
            if wait in self._last_reads or self._doubt.reason is not None:
                wait.last_error = wait.last_error or self._doubt.reason
                self._time_out(wait)
            else:
                self._last_reads.add(wait)
                wait.drops_records = False  # what it shows is for the error, and for the outcome
                self._deadlines.extend(wait, now + self._grace)
                self._readers.ask(wait)

    def _time_out(self, wait: Transition) -> None:
        if wait in self._waits:
            wait.time_out(self._clock.now())
            self._finish(wait)

    def _collect(self, now: float) -> None:
        for wait in self._turns.due(now):
            if wait.callback_read_due or not (self._by_list and wait in self._listed):
                self._readers.ask(wait)

    async def _rest(self) -> None:
        now, due = self._clock.now(), self._sweeper.due_at
        if self._doubt.reason is not None:
            due = self._doubt.due_at(now)  # nothing is swept for meanwhile
        elif due is not None:  # planned for those that are there now
            due = min(due, now + self._watching.sweep_every)
        planned = (self._turns.next, self._deadlines.next, due)
        moments = [moment for moment in planned if moment is not None]
        # None: all POSTs are still on their way, and their answers wake it.
        self._rests_until = min(moments, default=math.inf)
        timer = self._clock.call_at(self._rests_until, self._wake.set) if moments else None
        try:
            await self._wake.wait()
            self._wake.clear()
        finally:
            if timer is not None:
                timer.cancel()
            self._rests_until = -math.inf

    def _look_by(self, moment: float) -> None:
        if moment < self._rests_until:
            self._wake.set()

    # Housekeeping.

    def _notify(self, event: Event) -> None:
        if self._observers:
            notify(self._observers, event)

    async def close(self) -> None:
        """End all waits with an error that says that the changes themselves go on."""
        self._closed = True
        for wait in self._waits:
            sent, last = not wait.no_request, wait.last
            wait.abort(ClientClosed(f"await {wait.label}", sent=sent, last=last))
            self._finish(wait)
        if self._driver is not None:
            self._driver.cancel()
            await asyncio.gather(self._driver, return_exceptions=True)
        await self._tasks.cancel()
        self._driver = None  # one that had not begun could not say so itself


def _are_of_one_sim(one: Transition, other: Transition) -> bool:
    return one.name == other.name or (one.sid is not None and one.sid == other.sid)


def _nobody(_: Transition) -> None:
    """Take the place of a sink that is not needed any more, and of all that it kept alive."""

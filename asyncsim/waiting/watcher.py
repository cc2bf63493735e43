"""Watcher: one task that drives all waits of one product of one client."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import math
import random
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextvars import Context
from typing import Any

from asyncsim.callbacks.bus import Callback
from asyncsim.clock import Clock
from asyncsim.core.credentials import REJECTIONS, CredentialsBreaker
from asyncsim.core.polling import read_pause, retry_pause
from asyncsim.core.settings import Watching
from asyncsim.core.transition import NextStep, Transition
from asyncsim.errors import AsyncSimError, ClientClosed, DecodeError, WrongResource
from asyncsim.events import Observer, SettledBy
from asyncsim.kind import Kind, is_same_sid
from asyncsim.waiting.background import BackgroundTasks
from asyncsim.waiting.reads import SingleReads
from asyncsim.waiting.sweeps import ListRows, Sweeper
from asyncsim.waiting.timers import Timers
from asyncsim.waiting.wait_events import WaitEvents
from asyncsim.waiting.waits import SweepSet, WaitIndex


class Watcher:
    """Drives the waits of one product of one client.

    It detects a settled SIM by a callback, a sweep of the list, or a single read,
    whichever is cheapest, and passes every event to the wait itself (`core.transition`). A wait has
    no task and no timer of its own, which would take more memory than the wait.
    """

    def __init__(
        self,
        kind: Kind[Any],
        *,
        vendor: str,
        fetch: Callable[[str], Awaitable[Any]],
        rows: ListRows,
        clock: Clock,
        watching: Watching,
        observers: Sequence[Observer],
        grace: float,
        breaker: CredentialsBreaker,
    ) -> None:
        self._kind = kind
        self._clock = clock
        self._watching = watching
        self._events = WaitEvents(kind, vendor, observers, clock)
        self._grace = grace
        """Seconds for the last read after a deadline; then the wait ends regardless."""
        self._breaker = breaker
        self._waits = WaitIndex()
        self._sweep_set = SweepSet(self._waits)
        self._timers = Timers()
        self._tasks = BackgroundTasks()
        self._driver: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        self._sleeps_until = -math.inf
        self._closed = False
        self._reads = SingleReads(
            fetch,
            tasks=self._tasks,
            breaker=breaker,
            clock=clock,
            on_record=self.record_read,
            on_failure=self._read_failed,
            on_end=self._read_ended,
        )
        self._sweeper = Sweeper(
            kind,
            rows,
            vendor=vendor,
            call=self._events.call("sweep"),
            clock=clock,
            watching=watching,
            waits=self._waits,
            sweep_set=self._sweep_set,
            reads=self._reads,
            tasks=self._tasks,
            breaker=breaker,
            take=self._take,
            wake=self._wake.set,
            notify=self._events.notify,
        )
        breaker.subscribe(self._breaker_changed, self._credentials_rejected)

    def __len__(self) -> int:
        """The number of waits."""
        return len(self._waits)

    def __iter__(self) -> Iterator[Transition]:
        return iter(self._waits)

    def find(self, name: str) -> list[Transition]:
        """Return the waits with this name or SID."""
        return self._waits.find(name)

    @property
    def is_idle(self) -> bool:
        """Whether it has no wait, no task and no timer."""
        return not self._waits and not self._tasks and self._driver is None

    # Adding and ending waits.

    def register(self, wait: Transition) -> None:
        """Add a wait; before its POST is sent, because its callback may overtake the response.

        Its deadline counts from the response to the POST, which has its own deadlines.
        """
        if self._closed:
            sent = not (wait.no_request or wait.post_pending)
            raise ClientClosed(f"await {wait.label}", sent=sent)
        self._waits.add(wait)
        self._events.started(wait)

    def accepted(self, wait: Transition, record: Any) -> None:
        """Pass the response to its POST to a wait."""
        waits = self._waits.post_ended(wait)
        self._events.check_status(record)
        step = wait.accepted(record, self._clock.now())
        if waits:
            self._waits.add_name(wait, record.sid)
            self._set_deadline(wait)
            self._follow(wait, step)

    def accepted_unread(self, wait: Transition, unread: DecodeError) -> None:
        """Continue with reads if the response to the POST could not be read."""
        waits = self._waits.post_ended(wait)
        step = wait.accepted_unread(unread, self._clock.now())
        if waits:
            self._learn_sid(wait, unread.accepted)
            self._set_deadline(wait)
            self._follow(wait, step)

    def resume(self, wait: Transition, record: Any = None) -> None:
        """Continue a wait whose POST was accepted earlier, or that never had one.

        It is read first, unless `record` shows that it is pending.
        """
        now = self._clock.now()
        wait.resume(now)
        self._set_deadline(wait)
        pending = record is not None and wait.goal.is_pending(record)
        self._follow(wait, wait.read(record, now) if pending else NextStep.READ)

    def _set_deadline(self, wait: Transition) -> None:
        self._timers.set_deadline(wait)
        self._wake_by(wait.deadline or 0.0)
        if self._driver is None:
            name = f"asyncsim-watch-{self._kind.product}"
            # In a context of its own: it serves all waits, so its sweeps belong to no caller's.
            self._driver = asyncio.create_task(self._drive(), name=name, context=Context())

    def abandon(self, wait: Transition) -> None:
        """Drop a wait: its task was cancelled, or its POST was rejected."""
        wait.abandon()
        self._reads.cancel(wait)
        if self._remove(wait):
            self._events.abandoned(wait)

    def handle_callback(self, callback: Callback) -> bool:
        """Pass a callback to the waits that it names; False if there are none."""
        waits = self._waits.find(callback.name, callback.sid or callback.name)
        sid = callback.sid if callback.sid and self._kind.is_sid(callback.sid) else None
        reading: Transition | None = None
        now = self._clock.now()
        for wait in waits:
            same_sim = sid is None or wait.sid in (None, sid)
            current = callback.nonce == wait.nonce and same_sim
            if current and wait.nonce is not None:
                self._learn_sid(wait, sid)
            step = wait.callback_received(
                callback.status,
                now,
                # A GET's parameters are in its URL, so in access logs, and KORE does not sign them
                # (KORE docs, "Validate Webhook Signatures").
                signed=callback.signed and current and callback.method == "POST",
                current=current,
                code=callback.error_code,
                message=callback.error_message,
            )
            if step is NextStep.READ:
                if reading is not None and (
                    wait.name == reading.name or (wait.sid is not None and wait.sid == reading.sid)
                ):
                    step = NextStep.WAIT  # the queued read serves both
                else:
                    reading = wait
            self._follow(wait, step)
        return bool(waits)

    def _learn_sid(self, wait: Transition, sid: str | None) -> None:
        """Read it by SID from now on: its POST may have given its name to another SIM."""
        if sid is not None and wait.sid is None:
            wait.learn_sid(sid)
            self._waits.add_name(wait, sid)

    def _remove(self, wait: Transition) -> bool:
        if not self._waits.remove(wait):
            return False
        self._sweep_set.discard(wait)
        self._timers.discard(wait)
        self._reads.discard(wait)
        if not self._waits:
            self._wake.set()  # the driver ends
        return True

    # From events to next steps.

    def _follow(self, wait: Transition, step: NextStep) -> None:
        if step is NextStep.DONE:
            self._finish(wait)
            return
        # Sweeps cannot cover goals that no status shows, or statuses that no list is requested for.
        in_lists = not (wait.goal.resets_connectivity or wait.read_singly)
        tells = in_lists and step in (NextStep.WAIT, NextStep.READ)
        if tells and wait.accepted_at is not None and wait in self._waits:
            self._sweep_set.add(wait)
            if not self._sweeper.active and len(self._sweep_set) >= self._watching.sweep_from:
                self._wake.set()
        else:
            self._sweep_set.discard(wait)
        if step is NextStep.READ:
            self._reads.request(wait)
        elif step is NextStep.READ_LATER:
            self._read_at(wait.hold_until, wait)
        elif wait.callback_read_due:
            self._read_at(wait.next_callback_read_at, wait)
        elif step is NextStep.READ_SELDOM:
            self._read_at(self._clock.now() + self._watching.longest, wait)
        elif not (self._sweeper.active and wait.in_sweep) and wait.accepted_at is not None:
            self._read_at(self._clock.now() + self._pause(wait), wait)

    def _pause(self, wait: Transition) -> float:
        age = 0.0 if wait.accepted_at is None else self._clock.now() - wait.accepted_at
        draw = random.random()  # noqa: S311  # jitter
        return read_pause(
            self._watching, wait.reads, draw, expecting=wait.expects_callback, age=age
        )

    def _read_at(self, moment: float, wait: Transition) -> None:
        self._timers.set_read(wait, moment)
        self._wake_by(moment)

    def _finish(self, wait: Transition) -> None:
        if not self._remove(wait):
            return
        self._events.settled(wait)
        wait.notify()

    def _take(self, record: Any, source: SettledBy, began: float, *names: str) -> None:
        """Pass a record to all waits for its SIM."""
        now = self._clock.now()
        self._events.check_status(record)
        for wait in self._waits.find(record.sid, *names):
            if wait.sid is not None and not is_same_sid(wait.sid, record.sid):
                continue  # they share a name that has been given to another SIM
            self._waits.add_name(wait, record.sid)
            step = wait.read(record, now, source, began=began)
            if record.status in self._kind.pending:
                self._sweeper.health.saw_pending(wait)
            self._follow(wait, step)

    # Results of single reads.

    def record_read(self, wait: Transition, record: Any, began: float) -> None:
        """Process the record of a single read; it serves all waits for the same SIM."""
        if wait.sid is not None and not is_same_sid(wait.sid, record.sid):
            # The name used for the read belongs to another SIM now; the wait's SID is known.
            wrong = WrongResource(wait.sid, record.sid, noun=self._kind.noun)
            self._read_failed(wait, wrong, began)
        # A read by name serves those waits that know only the name.
        self._take(record, "read", began, *([wait.name] if wait.sid is None else ()))

    def _read_failed(self, wait: Transition, error: Exception, began: float) -> None:
        """Read again later, after any Retry-After, but before the deadline."""
        if wait not in self._waits:
            return
        now, rejected = self._clock.now(), isinstance(error, REJECTIONS)
        own = rejected and wait.read_rejected(now, self._breaker.last_success_at)
        if wait.read_failed(error, now, own=own) is NextStep.DONE:
            self._finish(wait)
            return
        retry_after: float = getattr(error, "retry_after", None) or 0.0
        draw = random.random()  # noqa: S311  # jitter
        pause = min(self._pause(wait), retry_pause(self._watching, wait.failures, draw))
        self._read_at(now + max(pause, retry_after), wait)
        if rejected and not own:
            self._breaker.rejected(error, began)

    def _read_ended(self, wait: Transition) -> None:
        if wait.last_read_until is not None:  # this was the last read
            self._time_out(wait)

    # The driver.

    async def _drive(self) -> None:
        try:
            while self._waits:
                now = self._clock.now()
                for wait in self._timers.due(now):
                    if wait.deadline is not None and wait.deadline <= now:
                        self._expire(wait, now)
                    elif wait.callback_read_due or not (self._sweeper.active and wait.in_sweep):
                        self._reads.request(wait)
                if self._breaker.rejection is not None:
                    self._probe(now)  # no sweeps meanwhile
                else:
                    self._plan(now)
                await self._sleep()
        except Exception as error:
            # A bug, but no wait may hang because of it.
            for wait in self._waits:
                wait.abort(AsyncSimError(f"waiting for {wait.label} failed: {error!r}"))
                with contextlib.suppress(Exception):  # in one owner; the others must be notified
                    self._finish(wait)
            raise
        finally:
            self._driver = None
            self._sweeper.cancel()

    def _expire(self, wait: Transition, now: float) -> None:
        # Without valid credentials a last read would show nothing.
        if wait.last_read_until is not None or self._breaker.rejection is not None:
            self._time_out(wait, self._breaker.rejection)
        else:
            wait.begin_last_read(now + self._grace)
            self._timers.set_deadline(wait)
            self._reads.request(wait)

    def _time_out(self, wait: Transition, cause: Exception | None = None) -> None:
        if wait in self._waits:
            wait.time_out(self._clock.now(), cause)
            self._finish(wait)

    def _plan(self, now: float) -> None:
        """Sweep, or fall back to single reads, which continue even if planning fails."""
        swept_before = self._sweeper.active
        try:
            self._sweeper.plan(now)
        except Exception as error:  # noqa: BLE001  # a bug: the loop's exception handler reports it
            text = f"planning sweeps of {self._kind.product} failed"
            asyncio.get_running_loop().call_exception_handler({"message": text, "exception": error})
            self._sweeper.health.stop(f"planning them failed: {error!r}")
            self._sweeper.stop()
        if self._sweeper.active and not swept_before:
            for wait in self._sweep_set:  # few, but their timers would stay for long
                self._timers.cancel_read(wait)
        elif swept_before and not self._sweeper.active:
            for wait in self._sweep_set:
                self._read_at(now + self._pause(wait), wait)

    async def _sleep(self) -> None:
        now, due = self._clock.now(), self._sweeper.due_at
        if self._breaker.rejection is not None:
            due = self._breaker.next_probe_at
            if due is not None and due <= now:  # none can be sent now: try again soon
                due = now + self._watching.first
        elif due is not None:  # planned for the current waits
            due = min(due, now + self._watching.sweep_every)
        moments = [moment for moment in (self._timers.next, due) if moment is not None]
        # Without any, all POSTs are in flight, and their responses wake the driver.
        self._sleeps_until = min(moments, default=math.inf)
        timer = self._clock.call_at(self._sleeps_until, self._wake.set) if moments else None
        try:
            await self._wake.wait()
            self._wake.clear()
        finally:
            if timer is not None:
                timer.cancel()
            self._sleeps_until = -math.inf

    def _wake_by(self, moment: float) -> None:
        if moment < self._sleeps_until:
            self._wake.set()

    # Rejected credentials.

    def _probe(self, now: float) -> None:
        """Read one SIM, if it is time; preferably one that was not rejected itself."""
        due = self._breaker.next_probe_at
        if due is None or due > now:
            return
        if self._reads.are_queued:
            self._reads.send_queued()
            return
        able = [wait for wait in self._waits if not wait.post_pending and wait not in self._reads]
        fresh = (wait for wait in able if wait.rejected_at is None)
        chosen = next(fresh, able[0] if able else None)
        if chosen is not None:
            self._reads.request(chosen)

    def _breaker_changed(self) -> None:
        self._reads.send_queued()
        self._wake.set()

    def _credentials_rejected(self, error: Exception) -> None:
        for wait in self._waits:
            if not wait.post_pending:  # otherwise the response to its POST decides
                wait.abort(copy.copy(error))  # each of many tasks adds its own traceback
                self._finish(wait)

    # Closing.

    async def close(self) -> None:
        """End all waits with an error that says that the changes themselves continue."""
        self._closed = True
        for wait in self._waits:
            sent, last = not wait.no_request, wait.last
            wait.abort(ClientClosed(f"await {wait.label}", sent=sent, last=last))
            self._finish(wait)
        if self._driver is not None:
            self._driver.cancel()
            await asyncio.gather(self._driver, return_exceptions=True)
        await self._tasks.cancel()
        self._driver = None  # a driver that had not started could not reset it itself

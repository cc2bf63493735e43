"""One SIM's way through `update_many`: sent, awaited, sent once more if that is needed."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from asyncsim.core.goal import Goal, GoalStatus, can_reach
from asyncsim.core.transition import Transition
from asyncsim.errors import APIError, DecodeError, TransitionFailed, TransitionTimeout
from asyncsim.http.reconcile import may_be_busy, was_processed
from asyncsim.resources.awaitable import wake
from asyncsim.resources.outcome import Outcome
from asyncsim.resources.piece import NO_LOG, Host, Log, Stoppable
from asyncsim.resources.settling import Settling
from asyncsim.resources.updatable import Change

if TYPE_CHECKING:
    from asyncsim.waiting import Watcher

T = TypeVar("T")


class One(Stoppable, Generic[T]):
    """Ends in one call of `settle`; while its change is awaited it has no task."""

    def __init__(
        self,
        resource: Settling[T],
        name: str,
        given: Mapping[str, Any],
        host: Host[T],
        *,
        timeout: float | None,
        log: Log = NO_LOG,
        adopted: bool = False,
        ours: bool = False,
    ) -> None:
        super().__init__()
        self.name = name
        self.given = given
        self._resource = resource
        self._timeout = timeout
        self._host = host
        self._log = log
        self._adopted = adopted
        """Something is under way there already: that comes first."""
        self._ours = ours
        """As far as an earlier look could tell it is this very change."""
        self._clock = resource.context.clock
        self._started = self._clock.now()
        self._wait: Transition | None = None
        self._spent = 0
        """Requests that no wait counts: of waits that have ended, and looks after lost answers."""
        self._recovered = False
        self._again = False
        self._conflicts = 0
        self._seen: Any = None
        """What the latest read after a refusal or a lost response showed."""
        self._settled = False
        self._went_out = False

    async def run(self) -> None:
        """Send the change and leave its wait with the watcher."""
        try:
            change = await self._resource._prepare(self.name, self.given)
            if self._adopted:
                await self._take_up(change)
            else:
                await self._post(change)
        except Exception as error:  # noqa: BLE001  # whatever it is, it is this SIM's outcome alone
            self._fail(error)

    @property
    def sent(self) -> bool:
        """Whether a request that could change something may have been carried out."""
        return self._went_out or super().sent

    async def _post(self, change: Change) -> None:
        watcher = await self._resource._the_watcher()
        await self._log.before()
        self._wait = wait = self._wait_for(change)
        watcher.register(wait)
        try:
            record = await self._write(change, wait)
        except BaseException as error:
            if was_processed(error):
                await self._await_unread(change, watcher, wait, error)
                return
            watcher.abandon(wait)
            if self._settled or not may_be_busy(error):
                raise
            self._put_away()
            blocked = error
        else:
            if not self._settled:
                await self._log.accepted(record)
            watcher.accepted(wait, record)
            self._leave(change, wait, record.sid, record.date_updated)
            return
        await self._after_conflict(change, blocked)

    async def _await_unread(
        self, change: Change, watcher: Watcher, wait: Transition, unread: DecodeError
    ) -> None:
        """Wait by reads: the response of the change could not be used, and it is not sent again."""
        if not self._settled:
            await self._log.accepted(None)
        watcher.accepted_unread(wait, unread)
        self._leave(change, wait, unread.accepted or self.name, None)

    def _leave(self, change: Change, wait: Transition, sid: str, date: datetime | None) -> None:
        """Leave the wait to the host, unless more than waiting may be needed."""
        if not (wait.done or self._settled or self._recovered or self._again):
            wait.requests += self._spent
            self._host.park(wait, self._log.tag(self.given), self._started)
        elif self._log is NO_LOG:
            # A journal remembers better, and a job's many rows would push out all else.
            self._resource._remember(change, sid, date)

    def _wait_for(self, change: Change) -> Transition:
        ended = partial(self._ended, change)
        wait = self._resource._wait_for(self.name, change.goal, ended, self._timeout)
        wait.nonce = change.nonce
        wait.accepts_signed = change.goal.status_only
        # What settles it brings a record, unless that is a callback; a job needs none even then.
        wait.drops_records = change.nonce is None or self._log is not NO_LOG
        return wait

    def _put_away(self) -> None:
        """Be done with a wait, but not with what it has counted."""
        if self._wait is not None:
            self._spent += self._wait.requests
            self._wait = None

    async def _write(self, change: Change, wait: Transition) -> Any:
        self._request = request = self._resource._request_for(change)
        request.pause_budget = wait.timeout
        self._seen = None
        try:
            look = partial(self._resource._look_on, change, request, self._look, wait.timeout)
            written = await self._resource._write(change, request, look, remember=False)
        finally:
            self._went_out |= self.sent
            self._request = None
            wait.requests += request.attempts
        self._recovered = written.recovered
        return written.record

    async def _look(self, change: Change, once: bool) -> T:
        self._spent += 1
        self._seen = record = await self._resource._look(change, once)
        return record

    async def _after_conflict(self, change: Change, refused: APIError) -> None:
        """Something else runs, or did until just now: let it settle; send again if that can help.

        The same code also says that there is no way to the target: then it cannot.
        """
        policy = self._resource.context.retry
        if self._conflicts >= policy.attempts or self._closed:
            raise refused
        self._conflicts += 1
        self._again = True
        await self._log.waits()
        record = self._seen
        goal = change.goal
        if record is None or goal.is_pending(record):
            try:
                record = await self._calm(Goal(goal.kind))
            except TransitionTimeout as late:  # of the other change; this one was never accepted
                raise TransitionTimeout(
                    *(self.name, goal.description, late.last, late.seconds),
                    status=late.status,
                    refused=refused,
                ) from late
        elif goal.evaluate(record) is not GoalStatus.REACHED:
            with self._host.aside():
                await self._clock.sleep(policy.pause(self._conflicts, random.random()))  # noqa: S311  # jitter
        if not can_reach(goal.kind, record.status, goal.targets):
            raise refused
        await self._post_if_needed(change, record)

    async def _post_if_needed(self, change: Change, record: Any) -> None:
        if change.goal.evaluate(record) is GoalStatus.REACHED and change.goal.expected:
            self._end_with(record)
        else:
            change.sid = record.sid
            await self._post(change)

    def _end_with(self, record: T) -> None:
        self._end(self._outcome(None, sim=record, settled_by="read", confirmed=True))

    async def _take_up(self, change: Change) -> None:
        """Go on where an earlier process stopped: what runs there may be the very same change."""
        resets = change.goal.resets_connectivity
        record = await self._calm(change.goal if resets else Goal(self._resource.kind))
        if resets and self._ours:  # that it has ended is all that a reset ever shows
            self._end_with(record)
        else:
            await self._post_if_needed(change, record)

    async def _calm(self, goal: Goal) -> Any:
        """Wait until whatever runs there has ended."""
        ended = asyncio.get_running_loop().create_future()
        sink = partial(wake, ended)
        wait = self._resource._wait_for(self.name, goal, sink, self._timeout)
        wait.no_request, wait.accepted_at = True, self._clock.now()
        watcher = await self._resource._the_watcher()
        watcher.register(wait)
        watcher.resume(wait)
        try:
            with self._host.aside():
                return await self._resource._finish(watcher, wait, ended)
        finally:
            self._spent += wait.requests

    def _ended(self, change: Change, wait: Transition) -> None:
        if self._request is not None:
            # A callback overtook its answer. Sent again, it would undo what came after it.
            self._request.halt()
        lost = self._recovered and not self._again and not self._closed
        if lost and isinstance(wait.error, TransitionFailed):
            # Its answer was lost, and what looked like our change was somebody else's.
            self._again = True
            self._put_away()
            self._host.start(self, self._once_more(change))
            return
        outcome = self._outcome(
            wait.error, sim=wait.last, settled_by=wait.settled_by, confirmed=wait.confirmed
        )
        self._end(outcome)

    async def _once_more(self, change: Change) -> None:
        try:
            await self._post(change)
        except Exception as error:  # noqa: BLE001  # whatever it is, it is this SIM's outcome alone
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        if not self._closed:  # else it stays unfinished: nobody tried for long enough to say
            last = self._wait.last if self._wait is not None else None
            self._end(self._outcome(error, sim=last))

    def _end(self, outcome: Outcome[T]) -> None:
        if not self._settled:  # what a late answer says is no news: the name may be in use again
            self._settled = True
            self._host.settle(outcome)

    def _outcome(self, error: Exception | None, **found: Any) -> Outcome[T]:
        parts = {"sim": None, "settled_by": None, "confirmed": False, **found}
        counted = self._wait.requests if self._wait is not None else 0
        # A callback can overtake the answer of the POST, which has not been counted then.
        on_the_wire = self._request.attempts if self._request is not None else 0
        return Outcome(
            sid=self.name,
            requested=self.given,
            error=error,
            requests=self._spent + counted + on_the_wire,
            seconds=self._clock.now() - self._started,
            **parts,
        )

    def abandon(self) -> None:
        """Forget the wait."""
        watcher = self._resource._watcher
        if watcher is not None and self._wait is not None and not self._wait.done:
            watcher.abandon(self._wait)

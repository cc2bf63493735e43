"""The jobs of a fan-out: updates, creates, and requests that end with their response."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import datetime
from functools import partial
from typing import Any, Generic, TypeVar

from asyncsim.clock import Clock
from asyncsim.core.goal import Goal, GoalStatus, can_reach
from asyncsim.core.transition import Transition
from asyncsim.errors import APIError, TransitionFailed, TransitionTimeout
from asyncsim.http.reconcile import may_be_busy, was_processed
from asyncsim.http.request import Request
from asyncsim.resources.awaitable import wake
from asyncsim.resources.creatable import CreatableResource
from asyncsim.resources.fan_out import FanOut, FanOutJob, StepRecorder
from asyncsim.resources.updatable import Change, UpdatableResource

T = TypeVar("T")


class UpdateJob(FanOutJob[T], Generic[T]):
    """Sends a change, detaches its wait, and resends the change if needed.

    `adopted`: a change is pending already, and is awaited first. `ours`: according to an earlier
    read, it is this very change.
    """

    def __init__(
        self,
        resource: UpdatableResource[T],
        name: str,
        given: Mapping[str, Any],
        runner: FanOut[T],
        *,
        timeout: float | None,
        recorder: StepRecorder | None = None,
        adopted: bool = False,
        ours: bool = False,
    ) -> None:
        super().__init__(name, given, runner, recorder, resource.context.clock)
        self._resource = resource
        self._timeout = timeout
        self._adopted = adopted
        self._ours = ours
        self._recovered = False
        """The response to its POST was lost, and a read showed that it was accepted."""
        self._resent = False
        self._conflicts = 0
        self._seen: Any = None
        """The record of the latest read after a rejection or a lost response."""

    async def run(self) -> None:
        """Send the change and leave its wait with the watcher."""
        try:
            change = await self._resource.prepare(self.name, self.given)
            if self._adopted:
                await self._adopt(change)
            else:
                await self._post(change)
        except Exception as error:  # noqa: BLE001  # whatever it is, it is this SIM's outcome alone
            self._fail(error)

    async def _adopt(self, change: Change) -> None:
        """Resume where an earlier process stopped: the pending change may be the same one."""
        resets = change.goal.resets_connectivity
        goal = change.goal if resets else Goal(self._resource.kind)
        record = await self._await_other(goal)
        if resets and self._ours:  # the end of a reset shows nothing but that
            self._settle(None, sim=record, settled_by="read", confirmed=True)
        else:
            await self._post_if_needed(change, record)

    async def _post_if_needed(self, change: Change, record: Any) -> None:
        if change.goal.evaluate(record) is GoalStatus.REACHED and change.goal.expected:
            self._settle(None, sim=record, settled_by="read", confirmed=True)
        else:
            change.sid = record.sid
            await self._post(change)

    async def _post(self, change: Change) -> None:
        resource = self._resource
        watcher = await resource.start_watcher()
        if self._recorder is not None:
            await self._recorder.before_request()
        self._wait = wait = resource.new_wait(
            self.name,
            change.goal,
            partial(self._ended, change),
            self._timeout,
            context=self._runner.variables,
            nonce=change.nonce,
            accepts_signed=change.goal.status_only,
            # The event that settles it has a record, unless it is a callback; a recorder needs none
            # even then. Pending records would take most of the memory of very many waits.
            drops_records=change.nonce is None or self._recorder is not None,
        )
        watcher.register(wait)
        try:
            record = await self._write(change, wait)
        except BaseException as error:
            if was_processed(error):  # its response was unusable: wait by reads, never resend
                if not self._settled and self._recorder is not None:
                    await self._recorder.accepted(None)
                watcher.accepted_unread(wait, error)
                self._detach(change, wait, error.accepted or self.name, None)
                return
            watcher.abandon(wait)
            if self._settled or not may_be_busy(error):
                raise
            self._drop_wait()
            busy = error
        else:
            if not self._settled and self._recorder is not None:
                await self._recorder.accepted(record)
            watcher.accepted(wait, record)
            self._detach(change, wait, record.sid, record.date_updated)
            return
        await self._post_after_other(change, busy)

    async def _write(self, change: Change, wait: Transition) -> Any:
        resource = self._resource
        request = resource.request_for(change)
        self._request_begins(request)
        request.pause_budget = wait.timeout
        self._seen = None

        async def read(change: Change, no_retry: bool) -> T:
            self._spent += 1
            record: T = await resource.read_target(change, no_retry)
            self._seen = record
            return record

        try:
            read_back = partial(resource.read_back, change, request, read, wait.timeout)
            written = await resource.write(change, request, read_back, remember=False)
        finally:
            self._request_ended(request, wait)
        self._recovered = written.recovered
        return written.record

    def _detach(self, change: Change, wait: Transition, sid: str, date: datetime | None) -> None:
        """Detach the wait, unless more than waiting may be needed."""
        if not (wait.done or self._settled or self._recovered or self._resent):
            wait.count_requests(self._spent)
            data = (
                self._recorder.owner_data(self.given) if self._recorder is not None else self.given
            )
            self._runner.detach(wait, data, self._started)
        elif self._recorder is None:
            # A journal remembers longer, and a job's many rows would evict all other entries.
            self._resource.remember_change(change, sid, date)

    def _drop_wait(self) -> None:
        """Drop a wait, but keep its request count."""
        if self._wait is not None:
            self._spent += self._wait.requests
            self._wait = None

    async def _post_after_other(self, change: Change, busy: APIError) -> None:
        """Wait until another client's change has ended; resend if that can help.

        The same code also means that the target is unreachable: then a resend cannot help.
        """
        policy = self._resource.context.retry
        if self._conflicts >= policy.attempts or self._closed:
            raise busy
        self._conflicts += 1
        self._resent = True
        if self._recorder is not None:
            await self._recorder.waits_for_other()
        record, goal = self._seen, change.goal
        if record is None or goal.is_pending(record):
            try:
                record = await self._await_other(Goal(goal.kind))
            except TransitionTimeout as late:  # about the other change; this one was never accepted
                raise TransitionTimeout(
                    *(self.name, goal.description, late.last, late.seconds),
                    status=late.status,
                    refused=busy,
                ) from late
        elif goal.evaluate(record) is not GoalStatus.REACHED:
            # It ended just before that read; or the rejection came from a lagging replica.
            with self._runner.yielding_slot():
                await self._clock.sleep(policy.pause(self._conflicts, random.random()))  # noqa: S311  # jitter
        if not can_reach(goal.kind, record.status, goal.targets):
            raise busy
        await self._post_if_needed(change, record)

    async def _await_other(self, goal: Goal) -> Any:
        """Wait until the pending change has ended."""
        ended = asyncio.get_running_loop().create_future()
        on_done = partial(wake, ended)
        wait = self._resource.new_wait(self.name, goal, on_done, self._timeout, no_request=True)
        watcher = await self._resource.start_watcher()
        watcher.register(wait)
        watcher.resume(wait)
        try:
            with self._runner.yielding_slot():
                return await self._resource.finish(watcher, wait, ended)
        finally:
            self._spent += wait.requests

    def _ended(self, change: Change, wait: Transition) -> None:
        if self._request is not None:
            # A callback overtook its response. A resend would undo later changes.
            self._request.halt()
        recovered = self._recovered and not self._resent and not self._closed
        if recovered and isinstance(wait.error, TransitionFailed):
            # Its response was lost, and the change that looked like ours was another client's.
            self._resent = True
            self._drop_wait()
            self._runner.start(self, self._resend(change))
            return
        self._settle(
            wait.error, sim=wait.last, settled_by=wait.settled_by, confirmed=wait.confirmed
        )

    async def _resend(self, change: Change) -> None:
        try:
            await self._post(change)
        except Exception as error:  # noqa: BLE001  # whatever it is, it is this SIM's outcome alone
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        if not self._closed:  # when closed it stays unfinished: there was not enough time to decide
            self._settle(error, sim=self._wait.last if self._wait is not None else None)


class CreateJob(FanOutJob[T], Generic[T]):
    """Sends a create once and awaits it.

    `reference` is the SID of a resource that an earlier process created: then it is awaited, and
    nothing is sent.
    """

    def __init__(
        self,
        resource: CreatableResource[T],
        name: str,
        given: Mapping[str, Any],
        runner: FanOut[T],
        *,
        timeout: float | None,
        until: Collection[str] | str | None = None,
        reference: str | None = None,
        recorder: StepRecorder | None = None,
    ) -> None:
        super().__init__(name, given, runner, recorder, resource.context.clock)
        self._resource = resource
        self._timeout = timeout
        self._until = until
        self._reference = reference

    async def run(self) -> None:
        """Send it and leave its wait with the watcher."""
        try:
            if self._reference is None:
                await self._send()
            else:
                await self._adopt(self._reference)
        except Exception as error:  # noqa: BLE001  # whatever it is, it is this SIM's outcome alone
            if not self._closed or self.sent:  # a lost response must be reported in any case
                self._settle(error)

    async def _send(self) -> None:
        resource = self._resource
        watcher = await resource.start_watcher()
        request, wait = resource.draft(self.given, self._until, self._ended, self._timeout)
        self._request_begins(request)
        self._wait = wait
        if self._recorder is not None:
            await self._recorder.before_request()
        watcher.register(wait)
        try:
            record = await resource.send_creation(request)
            if self._recorder is not None:
                await self._recorder.accepted(record)
        except BaseException:
            watcher.abandon(wait)
            raise
        finally:
            self._request_ended(request, wait)
        watcher.accepted(wait, record)

    async def _adopt(self, reference: str) -> None:
        resource = self._resource
        watcher = await resource.start_watcher()
        goal = resource.goal_of(self._until)
        self._wait = wait = resource.new_wait(
            reference, goal, self._ended, self._timeout, no_request=True
        )
        watcher.register(wait)
        watcher.resume(wait)

    def _ended(self, wait: Transition) -> None:
        self._settle(
            wait.error, sim=wait.last, settled_by=wait.settled_by, confirmed=wait.confirmed
        )


class RequestJob(FanOutJob[T], Generic[T]):
    """One request that ends with its response: a registration, a deletion."""

    def __init__(
        self,
        clock: Clock,
        name: str,
        given: Mapping[str, Any],
        runner: FanOut[T],
        *,
        build: Callable[[], Request],
        send: Callable[[Request], Awaitable[T | None]],
        recorder: StepRecorder | None = None,
    ) -> None:
        super().__init__(name, given, runner, recorder, clock)
        self._build = build
        self._send = send

    async def run(self) -> None:
        """Send it and report its end."""
        try:
            request = self._build()
            self._request_begins(request)
            if self._recorder is not None:
                await self._recorder.before_request()
            record = await self._send(request)
        except Exception as error:  # noqa: BLE001  # whatever it is, it is this SIM's outcome alone
            if not self._closed:  # when closed it stays unfinished: there was not enough time
                self._settle(error)
        else:
            self._settle(None, sim=record, settled_by="answer", confirmed=True)

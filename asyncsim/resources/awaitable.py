"""Waiting for what moves by itself: one watcher per kind, and the wait for one resource.

The mechanics under `await_transition` of every kind that has pending statuses.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence
from contextlib import aclosing
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from asyncsim.context import ClientContext
from asyncsim.core.accepted import AcceptedChange, AcceptedChanges, SeenRecords
from asyncsim.core.goal import Goal, GoalStatus, can_reach
from asyncsim.core.transition import Transition
from asyncsim.errors import (
    DecodeError,
    TargetForgotten,
    TransitionFailed,
    TransitionTimeout,
    UnreachableStatus,
)
from asyncsim.http.transport import Response
from asyncsim.resources.base import Resource
from asyncsim.resources.names import check_name
from asyncsim.resources.rows import State, StatePage
from asyncsim.wire import fast, forms
from asyncsim.wire.pages import RawPage

if TYPE_CHECKING:
    from asyncsim.waiting import RowPage, Watcher

T = TypeVar("T")


def check_timeout(timeout: float | None) -> None:
    """Refuse a deadline that has passed before it begins."""
    if timeout is not None and not 0 < timeout < math.inf:
        raise ValueError(f"timeout={timeout!r}: give seconds above 0, or None")


class Watched(Resource[T], Generic[T]):
    """A resource that can be awaited."""

    def __init__(self, context: ClientContext) -> None:
        super().__init__(context)
        self.kind = self.kind.with_final(context.watching.final)
        self._memory = AcceptedChanges()
        self._seen = SeenRecords()
        self._watcher: Watcher | None = None

    async def _the_watcher(self) -> Watcher:
        """Return the one watcher of this kind, made on first use."""
        from asyncsim.waiting import Watcher  # not every program waits

        await self.context.open()
        if self._watcher is None:
            context = self.context
            self._watcher = Watcher(
                self.kind,
                # A read never sleeps: what is newer (a callback, the deadline) must get through.
                fetch=partial(self._fetch, urgent=True, no_retry=True),
                rows=self._rows,
                clock=context.clock,
                watching=context.watching,
                observers=context.observers,
                grace=context.timeout.request,
                credentials=context.credentials,
            )
            context.on_close(self._watcher.close)
            if context.registration is not None:
                context.registration.subscribe(self.kind.product, self._watcher.handle_callback)
        return self._watcher

    def _decode(self, response: Response) -> T:
        record = super()._decode(response)
        self._seen.add(record)
        return record

    def _record_page(self, response: Response) -> RawPage:
        page = super()._record_page(response)
        for row in page.rows:
            self._seen.add(row)
        return page

    async def _rows(self, status: str | None) -> AsyncGenerator[RowPage, None]:
        filters: dict[str, Any] = {"page_size": self.kind.page_ceiling(self.context.vendor)}
        if status is not None:
            filters["status"] = status
        query = forms.encode(self.kind.filters, filters)
        paging = self._raw_pages(query, urgent=True, read=self._state_page)
        async with aclosing(paging) as pages:
            async for page in pages:
                yield page

    @cached_property
    def _read_states_straight(self) -> Callable[[bytes], RawPage | None]:
        return fast.status_page_reader(self.kind.key)

    @cached_property
    def _split_straight(self) -> Callable[[bytes], Sequence[bytes]]:
        return fast.row_splitter(self.kind.key)

    def _state_page(self, response: Response) -> StatePage:
        """Read of a page what a sweep needs."""
        found = self._read_states_straight(response.body)
        if found is None:
            return self._plain_state_page(response)

        def decode(row: bytes) -> T:
            return self._decode(Response(response.status, response.headers, bytes(row)))

        split = partial(self._split_straight, response.body)
        return StatePage(found.rows, found.next_page_url, sources=split, decode=decode)

    def _plain_state_page(self, response: Response) -> StatePage:
        page = self._plain_page(response)
        states = [_state(row) for row in page.rows]
        if states and not any(one.sid for one in states):
            raise DecodeError(f"page of {self.kind.key}", "none of its rows has a sid")
        return StatePage(
            states, page.next_page_url, sources=lambda: page.rows, decode=self._read_row
        )

    def _statuses(self, until: Collection[str] | str | None) -> frozenset[str] | None:
        if until is None:
            return None
        statuses = frozenset({until} if isinstance(until, str) else until)
        unknown = sorted(statuses - set(self.kind.statuses))
        if unknown or not statuses:
            known = ", ".join(self.kind.statuses)
            raise ValueError(f"until={unknown or until!r}: a {self.kind.noun} can be {known}")
        return statuses

    def _wait_for(
        self, name: str, goal: Goal, sink: Any, timeout: float | None, **more: Any
    ) -> Transition:
        """Build a wait; `timeout` counts from the answer of its POST on."""
        check_timeout(timeout)
        watching = self.context.watching
        return Transition(
            name=name,
            goal=goal,
            started=self.context.clock.now(),
            timeout=watching.timeout if timeout is None else timeout,
            on_done=sink,
            stale_for=watching.stale_for,
            sid=name if self.kind.is_sid(name) else None,
            # No document promises a callback at the end of a connectivity reset.
            callback_seen=goal.resets_connectivity,
            **more,
        )

    async def _finish(self, watcher: Watcher, wait: Transition, ended: asyncio.Future[None]) -> T:
        """Wait for a wait's end; cancelling this frees all that it held."""
        try:
            await ended
        finally:
            watcher.abandon(wait)
        if wait.error is not None:
            if isinstance(wait.error, TransitionTimeout) and wait.goal.requested:
                self._remember_of(wait)  # whoever goes on waiting waits for the same
            raise wait.error
        for name in {wait.name, wait.sid or wait.name}:
            self._memory.update_date(name, wait.last.date_updated)
        record: T = wait.last
        return record

    async def _transition(
        self, sim: T | str, until: Collection[str] | str | None, timeout: float | None
    ) -> T:
        """Wait until it meets its target: `until`, the remembered change, or any settled status."""
        check_timeout(timeout)
        given: Any = None if isinstance(sim, str) else sim
        if given is not None and not isinstance(given, self.kind.model):
            raise TypeError(f"a {self.kind.noun} or its SID is awaited, not {type(sim).__name__}")
        name = check_name(self.kind, sim if given is None else given.sid)
        statuses = self._statuses(until)
        accepted = self._accepted(name)
        if accepted is None and statuses is None and self._memory.may_have_forgotten(name):
            raise TargetForgotten(name)
        goal = accepted.goal if accepted is not None else Goal(self.kind)
        if statuses is not None:
            goal = Goal(self.kind, {}, statuses)
        if given is not None and self._is_there(name, goal, given, accepted):
            record: T = given
            return record
        return await self._watch(name, goal, accepted, given, timeout)

    def _accepted(self, name: str) -> AcceptedChange | None:
        """Recall the last change: while somebody awaits it, the wait remembers it."""
        found = self._memory.find(name)
        waits = self._watcher.find(name) if self._watcher is not None else ()
        pending = [accepted_by(wait) for wait in waits if wait.goal.requested and wait.was_accepted]
        candidates = [*pending, found] if found is not None else pending
        if found is not None and found.sid not in (None, name):  # since changed by its SID
            candidates += [self._memory.find(found.sid) or found]
        return max(candidates, key=lambda one: one.accepted_at, default=None)

    def _keep(self, accepted: AcceptedChange, given: Mapping[str, Any]) -> None:
        """Remember a change by the name that was addressed, the SID, and the name it gives."""
        names = (accepted.ticket_name, accepted.sid, given.get("unique_name"))
        self._memory.remember(accepted, *{name: None for name in names if name})

    def _remember_of(self, wait: Transition) -> None:
        """Remember the change of a wait that ends, unless there is a later one."""
        accepted = accepted_by(wait)
        newer = self._memory.find(wait.name)
        if newer is None or newer.accepted_at <= accepted.accepted_at:
            self._keep(accepted, wait.goal.requested)

    def _is_there(self, name: str, goal: Goal, given: Any, accepted: AcceptedChange | None) -> bool:
        """Judge a record that is in the caller's hands."""
        goal_status = goal.evaluate(given)
        if goal_status is GoalStatus.FAILED:
            raise TransitionFailed(name, goal.description, given)
        if accepted is not None:  # a copy from before the change tells nothing
            return goal_status is GoalStatus.REACHED and _is_current(given, accepted)
        if goal_status is not GoalStatus.OFF_TARGET:
            return goal_status is GoalStatus.REACHED
        if not can_reach(self.kind, given.status, goal.targets):
            raise UnreachableStatus(name, goal.description, given.status)
        raise TransitionFailed(name, goal.description, given)

    async def _watch(
        self,
        name: str,
        goal: Goal,
        accepted: AcceptedChange | None,
        given: Any,
        timeout: float | None,
    ) -> T:
        watcher = await self._the_watcher()
        ended = asyncio.get_running_loop().create_future()
        wait = self._wait_for(name, goal, partial(wake, ended), timeout)
        wait.no_request = accepted is None
        wait.seen_before = given is not None or accepted is not None or name in self._seen
        wait.accepted_at = self.context.clock.now()
        if accepted is not None:
            wait.accepted_at, wait.response_date = accepted.accepted_at, accepted.response_date
            wait.nonce, wait.sid = accepted.nonce, accepted.sid or wait.sid
        watcher.register(wait)
        watcher.resume(wait, given)
        self._deliver_unclaimed(watcher, name, accepted)
        return await self._finish(watcher, wait, ended)

    def _deliver_unclaimed(
        self, watcher: Watcher, name: str, accepted: AcceptedChange | None
    ) -> None:
        registration = self.context.registration
        if registration is None:
            return
        for addressed in {name, (accepted and accepted.ticket_name) or name}:
            for callback in registration.take_unclaimed(self.kind.product, addressed):
                watcher.handle_callback(callback)


def _state(row: Any) -> State:
    """Read of a row what can be read: one that names no SIM must not spoil the others."""
    if not isinstance(row, dict):
        return State("", None)
    sid, status = row.get("sid"), row.get("status")
    known = sid if isinstance(sid, str) else ""
    return State(known, status if isinstance(status, str) else None)


def _is_current(given: Any, accepted: AcceptedChange) -> bool:
    return (
        given.date_updated is not None
        and accepted.response_date is not None
        and given.date_updated >= accepted.response_date
    )


def accepted_by(wait: Transition) -> AcceptedChange:
    """Make of a wait what it remembers of its change, and of what that has led to."""
    shown = getattr(wait.last, "date_updated", None) if wait.done and wait.error is None else None
    date = wait.response_date
    return AcceptedChange(
        wait.goal,
        wait.accepted_at or wait.started,
        shown if shown is not None and (date is None or date < shown) else date,
        wait.nonce,
        wait.name,
        wait.sid,
    )


def wake(ended: asyncio.Future[None], _: Transition) -> None:
    """Sink of a wait that somebody awaits."""
    if not ended.done():
        ended.set_result(None)

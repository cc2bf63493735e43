"""Kinds with pending statuses: `await_transition`, and the one watcher that drives their waits."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, Callable, Collection, Sequence
from contextlib import aclosing
from contextvars import copy_context
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from asyncsim.context import ClientContext
from asyncsim.core.accepted import AcceptedChange, AcceptedChanges, SeenRecords
from asyncsim.core.goal import Goal, GoalStatus, can_reach
from asyncsim.core.transition import Transition
from asyncsim.core.unproven import PreparedTransition, unproven
from asyncsim.errors import (
    DecodeError,
    TargetForgotten,
    TransitionFailed,
    TransitionTimeout,
    UnreachableStatus,
)
from asyncsim.http.transport import Response
from asyncsim.kind import Kind
from asyncsim.resources.base import Resource
from asyncsim.resources.names import check_name
from asyncsim.resources.pages import StatusPage, StatusRow
from asyncsim.wire import fast, forms
from asyncsim.wire.pages import RawPage

if TYPE_CHECKING:
    from asyncsim.waiting import ListPage, Watcher

T = TypeVar("T")


def check_timeout(timeout: float | None) -> None:
    """Raise `ValueError` for a timeout that would expire before the wait begins."""
    if timeout is not None and not 0 < timeout < math.inf:
        raise ValueError(f"timeout={timeout!r}: must be more than 0 seconds, or None")


class AwaitableResource(Resource[T], Generic[T]):
    """A kind whose status changes asynchronously."""

    def __init__(self, context: ClientContext, kind: Kind[T]) -> None:
        super().__init__(context, kind.with_final(context.watching.final))
        self.watcher: Watcher | None = None
        """None until the first wait."""
        self.accepted = AcceptedChanges()
        """Accepted changes of this client: the default targets of a later `await_transition`."""
        self.seen = SeenRecords()

    async def start_watcher(self) -> Watcher:
        """Return the watcher of this kind, created on first use."""
        from asyncsim.waiting import Watcher  # not every program waits

        await self.context.open()
        if self.watcher is None:
            context = self.context
            self.watcher = Watcher(
                self.kind,
                vendor=context.vendor.name,
                # A read never sleeps: newer events (a callback, the deadline) must not be held up.
                fetch=partial(self.fetch, urgent=True, no_retry=True),
                rows=self._list_statuses,
                clock=context.clock,
                watching=context.watching,
                observers=context.observers,
                grace=context.timeout.request,
                breaker=context.credentials_breaker,
            )
            context.watchers.append(self.watcher)
            context.on_close(self.watcher.close)
            if context.registration is not None:
                context.registration.subscribe(self.kind.product, self.watcher.handle_callback)
        return self.watcher

    # Sweeps.

    async def _list_statuses(self, status: str | None) -> AsyncGenerator[ListPage, None]:
        filters: dict[str, Any] = {"page_size": self.kind.max_page_size(self.context.vendor)}
        if status is not None:
            filters["status"] = status
        query = forms.encode(self.kind.filters, filters)
        paging = self.raw_pages(query, urgent=True, read=self.read_status_page)
        async with aclosing(paging) as pages:
            async for page in pages:
                yield page

    def read_status_page(self, response: Response) -> StatusPage:
        """Read SID and status of each row of a page."""
        found = self._read_statuses_fast(response.body)
        if found is not None:

            def decode(row: bytes) -> T:
                return self.parse(Response(response.status, response.headers, bytes(row)))

            split = partial(self._split_fast, response.body)
            return StatusPage(found.rows, found.next_page_url, sources=split, decode=decode)
        page = self.parse_page(response)
        rows = [_status_row(row) for row in page.rows]
        if rows and not any(row.sid for row in rows):
            raise DecodeError(f"page of {self.kind.key}", "none of its rows has a sid")
        return StatusPage(rows, page.next_page_url, sources=lambda: page.rows, decode=self.read_row)

    @cached_property
    def _read_statuses_fast(self) -> Callable[[bytes], RawPage | None]:
        return fast.status_page_reader(self.kind.key)

    @cached_property
    def _split_fast(self) -> Callable[[bytes], Sequence[bytes]]:
        return fast.row_splitter(self.kind.key)

    # Waits.

    def check_statuses(self, until: Collection[str] | str | None) -> frozenset[str] | None:
        """Return `until` as a set; `ValueError` for a status that this kind does not have."""
        if until is None:
            return None
        statuses = frozenset({until} if isinstance(until, str) else until)
        unknown = sorted(statuses - set(self.kind.statuses))
        if unknown or not statuses:
            known = ", ".join(self.kind.statuses)
            raise ValueError(f"until={unknown or until!r}: a {self.kind.noun} can be {known}")
        return statuses

    def new_wait(
        self,
        name: str,
        goal: Goal,
        on_done: Callable[[Transition], None],
        timeout: float | None,
        **more: Any,
    ) -> Transition:
        """Build a wait; `timeout` counts from the response to its POST, 0 leaves one read."""
        watching = self.context.watching
        if self.context.observers:
            more.setdefault("context", copy_context())
        build = PreparedTransition if "before" in more else Transition
        fields = {
            "started": self.context.clock.now(),
            "stale_for": watching.stale_for,
            "sid": name if self.kind.is_sid(name) else None,
            # A callback at the end of a connectivity reset is not documented.
            "callback_seen": goal.resets_connectivity,
            **more,
        }
        return build(
            name=name,
            goal=goal,
            timeout=watching.timeout if timeout is None else timeout,
            on_done=on_done,
            **fields,
        )

    async def finish(self, watcher: Watcher, wait: Transition, ended: asyncio.Future[None]) -> T:
        """Return the record with which a wait ends; cancelling this drops the wait."""
        try:
            await ended
        finally:
            watcher.abandon(wait)
        if wait.error is not None:
            if isinstance(wait.error, TransitionTimeout) and wait.goal.requested:
                self.remember_wait(wait)  # a later `await_transition` has the same target
            raise wait.error
        for name in {wait.name, wait.sid or wait.name}:
            self.accepted.update_date(name, wait.last.date_updated)
        record: T = wait.last
        return record

    async def await_transition(
        self, sim: T | str, until: Collection[str] | str | None, timeout: float | None
    ) -> T:
        """Wait for the target: `until`, the remembered change, or any settled status."""
        check_timeout(timeout)
        given: Any = None if isinstance(sim, str) else sim
        model: type[Any] = self.kind.model
        if given is not None and not isinstance(given, model):
            raise TypeError(f"pass a {self.kind.noun} or its SID, not {type(sim).__name__}")
        name = check_name(self.kind, sim if given is None else given.sid)
        statuses = self.check_statuses(until)
        accepted = self._last_accepted(name)
        if accepted is None and statuses is None and self.accepted.may_have_forgotten(name):
            raise TargetForgotten(name)
        goal = accepted.goal if accepted is not None else Goal(self.kind)
        if statuses is not None:
            goal = Goal(self.kind, {}, statuses)
        if given is not None and self._is_settled(name, goal, given, accepted):
            record: T = given
            return record
        ended = asyncio.get_running_loop().create_future()
        seen = self.seen is not None and name in self.seen
        wait = self.new_wait(
            name,
            goal,
            partial(wake, ended),
            timeout,
            no_request=accepted is None,
            seen_before=given is not None or accepted is not None or seen,
            **({} if accepted is None else facts_of(accepted)),
        )
        return await self.run_wait(
            wait,
            ended,
            lambda watcher, wait: watcher.resume(wait, given),
            (accepted and accepted.ticket_name) or name,
        )

    async def run_wait(
        self,
        wait: Transition,
        ended: asyncio.Future[None],
        begin: Callable[[Watcher, Transition], None],
        ticket_name: str,
    ) -> T:
        """Run a wait for a change sent before, or for none, from its beginning to its end."""
        watcher = await self.start_watcher()
        watcher.register(wait)
        begin(watcher, wait)
        registration = self.context.registration
        if registration is not None:  # callbacks may have arrived before the wait
            for addressed in {wait.name, ticket_name}:
                for callback in registration.take_unclaimed(self.kind.product, addressed):
                    watcher.handle_callback(callback)
        try:
            return await self.finish(watcher, wait, ended)
        finally:
            if isinstance(wait, PreparedTransition):
                self.remember_wait(wait)

    def _is_settled(
        self, name: str, goal: Goal, given: Any, accepted: AcceptedChange | None
    ) -> bool:
        """Tell whether the caller's record is at the target already; raise if it failed."""
        goal_status = goal.evaluate(given)
        if goal_status is GoalStatus.FAILED:
            raise TransitionFailed(name, goal.description, given)
        if accepted is not None and accepted.before is not None:
            return False  # perhaps never sent, so its wait has to judge that
        if accepted is not None:
            shown, accepted_at = given.date_updated, accepted.response_date
            # A stale copy from before the change says nothing about it.
            current = shown is not None and accepted_at is not None and shown >= accepted_at
            return goal_status is GoalStatus.REACHED and current
        if goal_status is not GoalStatus.OFF_TARGET:
            return goal_status is GoalStatus.REACHED
        if not can_reach(self.kind, given.status, goal.targets):
            raise UnreachableStatus(name, goal.description, given.status)
        raise TransitionFailed(name, goal.description, given)

    # Accepted changes.

    def _last_accepted(self, name: str) -> AcceptedChange | None:
        """Recall the last change; one that is still awaited is remembered by its wait."""
        found = self.accepted.find(name)
        waits = self.watcher.find(name) if self.watcher is not None else ()
        changes = [wait for wait in waits if wait.goal.requested and wait.was_accepted]
        pending = [_accepted_by(wait) for wait in changes]
        candidates = [*pending, found] if found is not None else pending
        if found is not None and found.sid not in (None, name):  # since changed by its SID
            candidates += [self.accepted.find(found.sid) or found]
        return max(candidates, key=lambda one: one.accepted_at, default=None)

    def remember_wait(self, wait: Transition) -> None:
        """Remember the change of a wait that ends, unless there is a later one."""
        accepted = _accepted_by(wait)
        newer = self.accepted.find(wait.name)
        if newer is None or newer.accepted_at <= accepted.accepted_at:
            new_name = wait.goal.requested.get("unique_name")
            names = {wait.name, wait.sid or wait.name}
            if isinstance(new_name, str):
                names.add(new_name or wait.name)
            self.accepted.remember(accepted, *names)

    def is_outdated(self, record: Any) -> bool:
        """Tell whether a record is a stale copy from before the last accepted change."""
        known = self.accepted.find(record.sid)
        if known is None or known.response_date is None or record.date_updated is None:
            return False
        outdated: bool = record.date_updated < known.response_date
        return outdated


def _status_row(row: Any) -> StatusRow:
    """Read SID and status, or "" and None: an unreadable row must not affect the others."""
    if not isinstance(row, dict):
        return StatusRow("", None)
    sid, status = row.get("sid"), row.get("status")
    known = sid if isinstance(sid, str) else ""
    return StatusRow(known, status if isinstance(status, str) else None)


def _accepted_by(wait: Transition) -> AcceptedChange:
    """Convert a wait to the accepted change that it stands for."""
    shown = getattr(wait.last, "date_updated", None) if wait.done and wait.error is None else None
    date = wait.response_date
    return AcceptedChange(
        wait.goal,
        wait.accepted_at or wait.started,
        shown if shown is not None and (date is None or date < shown) else date,
        wait.nonce,
        wait.name,
        wait.sid,
        unproven(wait),
    )


def facts_of(accepted: AcceptedChange) -> dict[str, Any]:
    """What a wait has to know of a change that was sent before it."""
    facts: dict[str, Any] = {
        "nonce": accepted.nonce,
        "accepted_at": accepted.accepted_at,
        "response_date": accepted.response_date,
    }
    optional = {"sid": accepted.sid, "before": accepted.before}
    return facts | {name: value for name, value in optional.items() if value is not None}


def wake(ended: asyncio.Future[None], _: Transition) -> None:
    """`on_done` of a wait that `finish` awaits."""
    if not ended.done():
        ended.set_result(None)

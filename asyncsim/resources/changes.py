"""Changes on their way: checked, named, given a ticket, written, and waited for.

The mechanics under `update`, `await_transition`, `update_and_wait` and `update_many` of every kind
whose changes settle later.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from functools import partial
from typing import Any, ClassVar, Generic, TypeVar

from attrs import frozen

from asyncsim.connection import Connection
from asyncsim.core.goal import Goal, Standing
from asyncsim.core.graph import can_reach, reaches_after
from asyncsim.core.memory import Accepted, Memory
from asyncsim.core.retry import Repeat
from asyncsim.core.transition import Transition
from asyncsim.errors import TransitionFailed, UnreachableStatus
from asyncsim.resources.names import Directory, check_name
from asyncsim.resources.resource import Resource
from asyncsim.sender import Request
from asyncsim.waiting import Row, Watcher
from asyncsim.wire import forms, records
from asyncsim.writing import Written, write

T = TypeVar("T")


@frozen(kw_only=True)
class Change:
    """One change, ready to be sent."""

    name: str
    given: Mapping[str, Any]
    sent: Mapping[str, Any]
    """As given, plus the callback URL."""
    goal: Goal
    nonce: str | None


@frozen
class _Row:
    """A list row that is decoded only if a wait wants it."""

    sid: str
    decode: partial[Any]

    def record(self) -> Any:
        return self.decode()


class Changing(Resource[T], Generic[T]):
    """A resource whose updates are accepted first and settle later."""

    references: ClassVar[Mapping[str, type[Resource[Any]]]] = {}
    """Keyword of an update that names another resource -> that resource."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._memory = Memory()
        self._directories = {
            keyword: Directory(resource.kind, resource(connection)._fetch)
            for keyword, resource in self.references.items()
        }
        self._watcher: Watcher | None = None

    # Preparing.

    async def prepare(
        self, name: str, changes: Mapping[str, Any], until: Collection[str] | str | None = None
    ) -> Change:
        """Check a change before anything is sent, and give it a callback URL of its own."""
        check_name(self.kind, name)
        forms.check(self.kind.update, changes, f"{self.kind.key}.update()")
        goal = Goal(self.kind, await self._resolved(changes), self._statuses(until))
        requested = changes.get("status")
        if goal.until and requested and not reaches_after(self.kind.product, requested, goal.until):
            raise UnreachableStatus(name, goal.described, requested)
        await self._connection.open()
        desk = self._connection.desk
        if desk is None or "callback_url" in changes:
            return Change(name=name, given=changes, sent=changes, goal=goal, nonce=None)
        url, nonce = desk.ticket(self.kind.product, name)
        sent = {**changes, "callback_url": url}
        return Change(name=name, given=changes, sent=sent, goal=goal, nonce=nonce)

    async def _resolved(self, changes: Mapping[str, Any]) -> Mapping[str, Any]:
        """Replace names of other resources by SIDs, so that they can be compared."""
        if "account_sid" in changes:
            # They belong to the other account then, which these credentials cannot read.
            return {key: value for key, value in changes.items() if key not in self._directories}
        resolved = dict(changes)
        for keyword, directory in self._directories.items():
            if changes.get(keyword):
                resolved[keyword] = await directory.sid_of(changes[keyword])
        return resolved

    def _statuses(self, until: Collection[str] | str | None) -> frozenset[str] | None:
        if until is None:
            return None
        statuses = frozenset({until} if isinstance(until, str) else until)
        unknown = sorted(statuses - set(self.kind.statuses))
        if unknown or not statuses:
            known = ", ".join(self.kind.statuses)
            raise ValueError(f"until={unknown or until!r}: a {self.kind.noun} can be {known}")
        return statuses

    # Writing.

    def request_for(self, change: Change) -> Request:
        """Build the POST of a change."""
        body = forms.encode(self.kind.update, change.sent)
        return self._request("POST", "update", change.name, body=body, repeat=Repeat.CHECK)

    async def write(self, change: Change, request: Request) -> Written[T]:
        """Send a change until it is known to be accepted or refused; remember it."""
        written = await write(
            await self._connection.open(),
            request,
            change.goal,
            decode=self._decode,
            read=partial(self._fetch, change.name, urgent=True),
            attempts=self._connection.retry.attempts,
        )
        self._remember(change, written.record)
        return written

    def _remember(self, change: Change, record: Any) -> None:
        accepted = Accepted(
            change.goal, self._connection.clock.now(), record.date_updated, change.nonce
        )
        self._memory.keep(accepted, *{change.name, record.sid})

    async def update_now(self, name: str, changes: Mapping[str, Any]) -> T:
        """Send a change and return the answer."""
        change = await self.prepare(name, changes)
        return (await self.write(change, self.request_for(change))).record

    # Waiting.

    async def watcher(self) -> Watcher:
        """Return the one watcher of this product, made on first use."""
        await self._connection.open()
        if self._watcher is None:
            connection = self._connection
            self._watcher = Watcher(
                self.kind,
                fetch=partial(self._fetch, urgent=True),
                rows=self._rows,
                clock=connection.clock,
                watching=connection.watching,
                observers=connection.observers,
                grace=connection.timeout.request,
            )
            connection.on_close(self._watcher.close)
            if connection.desk is not None:
                connection.desk.subscribe(self.kind.product, self._watcher.called_back)
        return self._watcher

    async def _rows(self, status: str | None) -> AsyncIterator[list[Row]]:
        filters: dict[str, Any] = {"page_size": self.kind.largest_page}
        if status is not None:
            filters["status"] = status
        query = forms.encode(self.kind.filters, filters)
        decode = partial(records.decode, self.kind.model, vendor=self._connection.vendor)
        async for page in self._raw_pages(query, urgent=True):
            yield [_Row(row["sid"], partial(decode, row)) for row in page.rows]

    def wait_for(
        self, name: str, goal: Goal, sink: Any, timeout: float | None, **more: Any
    ) -> Transition:
        """Build a wait; `timeout` counts from the answer of its POST on."""
        if timeout is not None and not timeout > 0:
            raise ValueError(f"timeout={timeout!r}: give seconds above 0, or None")
        watching = self._connection.watching
        return Transition(
            name=name,
            goal=goal,
            started=self._connection.clock.now(),
            timeout=watching.timeout if timeout is None else timeout,
            sink=sink,
            stale_for=watching.stale_for,
            **more,
        )

    async def finish(self, watcher: Watcher, wait: Transition, ended: asyncio.Future[None]) -> T:
        """Wait for a wait's end; cancelling this frees all that it held."""
        try:
            await ended
        finally:
            watcher.abandon(wait)
        if wait.error is not None:
            raise wait.error
        record: T = wait.last
        return record

    async def transition(
        self, sim: T | str, until: Collection[str] | str | None, timeout: float | None
    ) -> T:
        """Wait until a SIM meets its target: `until`, the remembered change, or any settled one."""
        given: Any = None if isinstance(sim, str) else sim
        if given is not None and not isinstance(given, self.kind.model):
            raise TypeError(f"a {self.kind.noun} or its SID is awaited, not {type(sim).__name__}")
        name = check_name(self.kind, sim if given is None else given.sid)
        statuses = self._statuses(until)
        accepted = self._memory.find(name, self._connection.clock.now())
        goal = accepted.goal if accepted is not None else Goal(self.kind)
        if statuses is not None:
            goal = Goal(self.kind, {}, statuses)
        if given is not None and accepted is None and self._is_there(name, goal, given):
            record: T = given
            return record
        return await self._watch(name, goal, accepted, given, timeout)

    def _is_there(self, name: str, goal: Goal, given: Any) -> bool:
        """Judge a Sim of which no change is remembered."""
        standing = goal.judge(given)
        if standing is not Standing.ELSEWHERE:
            return standing is Standing.REACHED
        if not can_reach(self.kind.product, given.status, goal.targets):
            raise UnreachableStatus(name, goal.described, given.status)
        raise TransitionFailed(name, goal.described, given)

    async def _watch(
        self, name: str, goal: Goal, accepted: Accepted | None, given: Any, timeout: float | None
    ) -> T:
        ended = asyncio.get_running_loop().create_future()
        wait = self.wait_for(name, goal, partial(wake, ended), timeout)
        wait.strict = accepted is None
        wait.answered_at = self._connection.clock.now()
        if accepted is not None:
            wait.answered_at, wait.answer_date = accepted.answered_at, accepted.answer_date
            wait.nonce = accepted.nonce
        watcher = await self.watcher()
        watcher.begin(wait)
        watcher.resume(wait, given)
        self._deliver_kept(watcher, name)
        return await self.finish(watcher, wait, ended)

    def _deliver_kept(self, watcher: Watcher, name: str) -> None:
        desk = self._connection.desk
        for callback in desk.kept(self.kind.product, name) if desk is not None else ():
            watcher.called_back(callback)

    async def change_and_wait(
        self,
        name: str,
        changes: Mapping[str, Any],
        until: Collection[str] | str | None,
        timeout: float | None,
    ) -> T:
        """Send a change and wait for its end; the wait is registered before the POST is sent."""
        change = await self.prepare(name, changes, until)
        watcher = await self.watcher()
        resent = False
        while True:
            ended = asyncio.get_running_loop().create_future()
            wait = self.wait_for(name, change.goal, partial(wake, ended), timeout)
            wait.nonce = change.nonce
            watcher.begin(wait)
            request = self.request_for(change)
            try:
                written = await self.write(change, request)
            except BaseException:
                watcher.abandon(wait)
                raise
            wait.requests += request.attempts
            watcher.answered(wait, written.record)
            try:
                return await self.finish(watcher, wait, ended)
            except TransitionFailed:
                # Its answer was lost, and what looked like our change was somebody else's.
                if not written.recovered or resent:
                    raise
                resent = True


def wake(ended: asyncio.Future[None], _: Transition) -> None:
    """Sink of a wait that somebody awaits."""
    if not ended.done():
        ended.set_result(None)

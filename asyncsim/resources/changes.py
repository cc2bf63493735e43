"""Changes on their way out: checked, named, given a ticket, written, remembered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from functools import partial
from typing import Any, ClassVar, Generic, TypeVar

from attrs import field, frozen

from asyncsim.connection import Connection
from asyncsim.core.goal import Goal
from asyncsim.core.graph import reaches_after
from asyncsim.core.memory import Accepted
from asyncsim.core.retry import Repeat
from asyncsim.errors import NotFound, UnreachableStatus
from asyncsim.request import Request
from asyncsim.resources.names import Directory, check_name
from asyncsim.resources.resource import Resource
from asyncsim.resources.watched import Watched
from asyncsim.wire import forms
from asyncsim.writing import Written, write

T = TypeVar("T")


@frozen(kw_only=True)
class Change:
    """One change, ready to be sent."""

    name: str
    given: Mapping[str, Any]
    sent: Mapping[str, Any] = field(repr=False)  # holds the ticket
    """As given, plus the callback URL."""
    goal: Goal
    nonce: str | None = field(repr=False)


class Changing(Watched[T], Generic[T]):
    """A resource whose updates are accepted first and settle later."""

    _references: ClassVar[Mapping[str, type[Resource[Any]]]] = {}
    """Keyword of an update that names another resource -> that resource."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._directories = {
            keyword: Directory(resource.kind, resource(connection)._fetch, connection.clock)
            for keyword, resource in self._references.items()
        }

    # Preparing.

    async def _prepare(
        self, name: str, changes: Mapping[str, Any], until: Collection[str] | str | None = None
    ) -> Change:
        """Check a change before anything is sent, and give it a callback URL of its own."""
        check_name(self.kind, name)
        forms.check(self.kind.update, changes, f"{self.kind.key}.update()")
        statuses = self._statuses(until)
        self._check_reachable(name, changes, statuses)
        goal = Goal(self.kind, await self._resolved(changes), statuses)
        await self._connection.open()
        desk = self._connection.desk
        if desk is None or "callback_url" in changes:
            return Change(name=name, given=changes, sent=changes, goal=goal, nonce=None)
        url, nonce = desk.ticket(self.kind.product, name)
        sent = {**changes, "callback_url": url}
        return Change(name=name, given=changes, sent=sent, goal=goal, nonce=nonce)

    def _check_reachable(
        self, name: str, changes: Mapping[str, Any], until: frozenset[str] | None
    ) -> None:
        requested = changes.get("status")
        if until and requested and not reaches_after(self.kind, requested, until):
            raise UnreachableStatus(name, Goal(self.kind, changes, until).described, requested)

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

    # Writing.

    def _request_for(self, change: Change) -> Request:
        """Build the POST of a change."""
        body = forms.encode(self.kind.update, change.sent)
        return self._request("POST", "update", change.name, body=body, repeat=Repeat.CHECK)

    async def _write(
        self, change: Change, request: Request, read: Callable[[], Awaitable[T]] | None = None
    ) -> Written[T]:
        """Send a change until it is known to be accepted or refused; remember it.

        `read` replaces the look that follows a lost answer.
        """
        written = await write(
            await self._connection.open(),
            request,
            change.goal,
            decode=self._decode,
            read=read or partial(self._look, change),
            attempts=self._connection.retry.attempts,
        )
        self._remember(change, written.record)
        return written

    async def _look(self, change: Change) -> T:
        """Read the resource of a change whose answer was lost."""
        try:
            return await self._fetch(change.name, urgent=True)
        except NotFound:
            renamed = change.given.get("unique_name")
            if not renamed or self.kind.is_sid(change.name):
                raise
            return await self._fetch(renamed, urgent=True)  # carried out: it has its new name

    def _remember(self, change: Change, record: Any) -> None:
        now = self._connection.clock.now()
        accepted = Accepted(change.goal, now, record.date_updated, change.nonce, change.name)
        self._memory.keep(accepted, *{change.name, record.sid})

    async def _update_now(self, name: str, changes: Mapping[str, Any]) -> T:
        """Send a change and return the answer."""
        change = await self._prepare(name, changes)
        return (await self._write(change, self._request_for(change))).record

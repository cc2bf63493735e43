"""Changes on their way out: checked, named, given a ticket, written, remembered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any, ClassVar, Generic, TypeVar

from attrs import define, field

from asyncsim.connection import Connection
from asyncsim.core.goal import Goal
from asyncsim.core.graph import reaches_after
from asyncsim.core.memory import Accepted
from asyncsim.core.retry import Repeat
from asyncsim.core.transition import Transition
from asyncsim.errors import NotFound, UnreachableStatus
from asyncsim.request import Request
from asyncsim.resources.names import Directory, check_name
from asyncsim.resources.recipes import Recipe, Recipes
from asyncsim.resources.resource import Resource
from asyncsim.resources.watched import Watched, accepted_by
from asyncsim.transport import Body, form
from asyncsim.wire import forms
from asyncsim.writing import Written, write

T = TypeVar("T")


@define(kw_only=True, eq=False)  # not frozen: for each update, that would cost as much as a URL
class Change:
    """One change, ready to be sent."""

    name: str
    given: Mapping[str, Any]
    sent: Mapping[str, Any] = field(repr=False)  # holds the ticket
    """As given, plus the callback URL."""
    goal: Goal
    nonce: str | None = field(repr=False)
    body: Body = field(repr=False)
    """`sent`, encoded."""


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
        self._recipes = Recipes(self._recipe)

    # Preparing.

    async def _prepare(
        self, name: str, changes: Mapping[str, Any], until: Collection[str] | str | None = None
    ) -> Change:
        """Check a change before anything is sent, and give it a callback URL of its own."""
        check_name(self.kind, name)
        recipe = self._recipes.of(changes)
        goal = recipe.goal
        if goal is None or until is not None:
            statuses = self._statuses(until)
            self._check_reachable(name, changes, statuses)
            goal = Goal(self.kind, await self._resolved(changes), statuses)
        if self._connection.sender_here is None:
            await self._connection.open()
        desk = self._connection.desk
        if desk is None or "callback_url" in changes:
            return Change(
                name=name, given=changes, sent=changes, goal=goal, nonce=None, body=recipe.body
            )
        url, nonce = desk.ticket(self.kind.product, name)
        ticket = {"callback_url": url}
        text = "&".join(filter(None, (recipe.form, forms.encode(self.kind.update, ticket))))
        sent = {**changes, **ticket}
        return Change(name=name, given=changes, sent=sent, goal=goal, nonce=nonce, body=form(text))

    def _recipe(self, changes: Mapping[str, Any]) -> Recipe:
        forms.check(self.kind.update, changes, f"{self.kind.key}.update()")
        text = forms.encode(self.kind.update, changes)
        if self._names_others(changes):
            return Recipe(text, None)
        kept = {key: changes[key] for key in changes if not self._moves_away(key, changes)}
        return Recipe(text, Goal(self.kind, kept))

    def _names_others(self, changes: Mapping[str, Any]) -> bool:
        """Whether another resource is named otherwise than by its SID."""
        return "account_sid" not in changes and any(
            changes.get(keyword) and not resource.kind.is_sid(changes[keyword])
            for keyword, resource in self._references.items()
        )

    def _moves_away(self, keyword: str, changes: Mapping[str, Any]) -> bool:
        """Whether a keyword names what belongs to the other account, which we cannot read."""
        return "account_sid" in changes and keyword in self._references

    def _check_reachable(
        self, name: str, changes: Mapping[str, Any], until: frozenset[str] | None
    ) -> None:
        requested = changes.get("status")
        if until and requested and not reaches_after(self.kind, requested, until):
            raise UnreachableStatus(name, Goal(self.kind, changes, until).described, requested)

    async def _resolved(self, changes: Mapping[str, Any]) -> Mapping[str, Any]:
        """Replace names of other resources by SIDs, so that they can be compared."""
        resolved = {key: changes[key] for key in changes if not self._moves_away(key, changes)}
        for keyword, directory in self._directories.items():
            if resolved.get(keyword):
                resolved[keyword] = await directory.sid_of(changes[keyword])
        return resolved

    # Writing.

    def _request_for(self, change: Change) -> Request:
        """Build the POST of a change."""
        return self._request("POST", "update", change.name, body=change.body, repeat=Repeat.CHECK)

    async def _write(
        self,
        change: Change,
        request: Request,
        read: Callable[[], Awaitable[T]] | None = None,
        *,
        remember: bool = True,
    ) -> Written[T]:
        """Send a change until it is known to be accepted or refused; remember it.

        `read` replaces the look that follows a lost answer.
        """
        written = await write(
            self._connection.sender_here or await self._connection.open(),
            request,
            change.goal,
            decode=self._decode,
            read=read or (lambda: self._look(change)),
            attempts=self._connection.retry.attempts,
        )
        if remember:
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
        self._memory.keep(accepted, *{change.name: None, record.sid: None})

    def _recall(self, wait: Transition) -> Mapping[str, Any]:
        """Remember the change of one of many, now that its wait ends, and return it as given.

        While it is pending the wait itself is what remembers it.
        """
        accepted = accepted_by(wait)
        newer = self._memory.find(wait.name, self._connection.clock.now())
        if newer is None or newer.answered_at <= accepted.answered_at:
            self._memory.keep(accepted, *{wait.name: None, wait.sid or wait.name: None})
        given: Mapping[str, Any] = wait.tag
        return given

    async def _update_now(self, name: str, changes: Mapping[str, Any]) -> T:
        """Send a change and return the answer."""
        change = await self._prepare(name, changes)
        return (await self._write(change, self._request_for(change))).record

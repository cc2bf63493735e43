"""Changes on their way out: checked, named, given a ticket, written, remembered."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import datetime
from typing import Any, ClassVar, Generic, TypeVar

from attrs import define, field

from asyncsim.context import ClientContext
from asyncsim.core.accepted import AcceptedChange
from asyncsim.core.goal import Goal, can_end_in
from asyncsim.core.polling import read_pause
from asyncsim.core.retry import Idempotency
from asyncsim.core.transition import Transition
from asyncsim.errors import (
    APIError,
    AsyncSimError,
    AuthenticationError,
    DecodeError,
    NotFound,
    PermissionDenied,
    QueueTimeout,
    TransportError,
    UnreachableStatus,
    WrongResource,
)
from asyncsim.http.reconcile import Written, was_processed, write
from asyncsim.http.request import Request
from asyncsim.http.transport import Body, make_body
from asyncsim.kind import is_same_sid
from asyncsim.resources.awaitable import Watched
from asyncsim.resources.base import Resource
from asyncsim.resources.names import Directory, check_name, path_of
from asyncsim.resources.recipes import Recipe, Recipes
from asyncsim.wire import forms

T = TypeVar("T")
_MOST_NAMES = 10_000  # whose SIDs are kept
_LOOKS = 3  # at least, before a refused read is believed

# What a read after a lost response may meet that says nothing yet about the SIM, any other refusal
# included: it is a gateway's.
_PASSING = (APIError, DecodeError, QueueTimeout, TransportError)
# And what says something, once it has lasted: a gateway's, or a replica's, passes as well.
_LASTING = (AuthenticationError, NotFound, PermissionDenied)


@define(kw_only=True, eq=False)  # not frozen: for each update, that would cost as much as a URL
class Change:
    """One change, ready to be sent."""

    name: str
    """As addressed: SID or unique name."""
    sid: str | None
    """Once a response to this change, or a read after it, has told it."""
    seen: str | None
    """Whose the name was when this client last saw it; it may be another SIM's by now."""
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

    def __init__(self, context: ClientContext) -> None:
        super().__init__(context)
        self._directories = {
            keyword: Directory(resource.kind, resource(context)._fetch, context.clock)
            for keyword, resource in self._references.items()
        }
        self._recipes = Recipes(self._recipe)
        self._sids: dict[str, str] = {}
        """Whose a unique name was when a response last told so."""

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
        if self.context.current_sender is None:
            await self.context.open()
        registration = self.context.registration
        change = Change(
            name=name,
            sid=name if self.kind.is_sid(name) else None,
            seen=self._sids.get(name),
            given=changes,
            sent=changes,
            goal=goal,
            nonce=None,
            body=recipe.body,
        )
        if registration is None or "callback_url" in changes:
            return change
        url, nonce = registration.issue_url(self.kind.product, name)
        ticket = {"callback_url": url}
        text = "&".join(filter(None, (recipe.form, forms.encode(self.kind.update, ticket))))
        change.sent, change.nonce, change.body = {**changes, **ticket}, nonce, make_body(text)
        return change

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
        if until and requested and not can_end_in(self.kind, requested, until):
            raise UnreachableStatus(name, Goal(self.kind, changes, until).description, requested)

    async def _resolved(self, changes: Mapping[str, Any]) -> Mapping[str, Any]:
        """Replace names of other resources by SIDs, so that they can be compared."""
        resolved = {key: changes[key] for key in changes if not self._moves_away(key, changes)}
        for keyword, directory in self._directories.items():
            if resolved.get(keyword):
                resolved[keyword] = await directory.sid_of(changes[keyword])
        return resolved

    # Writing.

    def _request_for(self, change: Change) -> Request:
        """Build the POST of a change; once its SID is known, it goes to no other SIM."""
        name = change.sid or change.name
        return self._request(
            "POST", "update", name, body=change.body, idempotency=Idempotency.CHECK_FIRST
        )

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
            self.context.current_sender or await self.context.open(),
            request,
            change.goal,
            decode=lambda response: self._decode_accepted(response, change.sid or change.name),
            read=read or (lambda: self._look_on(change, request, self._look)),
            attempts=self.context.retry.attempts,
        )
        if remember:
            record: Any = written.record
            self._remember(change, record.sid, record.date_updated)
        return written

    def _meet(self, name: str, sid: str) -> None:
        super()._meet(name, sid)
        if not name or self.kind.is_sid(name):
            return
        if len(self._sids) >= _MOST_NAMES:
            self._sids.clear()
        self._sids[name] = sid

    async def _look_on(
        self,
        change: Change,
        request: Request,
        look: Callable[[Change, bool], Awaitable[T]],
        seconds: float | None = None,
    ) -> T:
        """Read what became of a change; after a lost response, for up to so many seconds.

        Who reported it as failed after a few bad reads would be wrong: it may be in flight. Unless
        somebody waits for its end anyway, that is as long as a copy may be stale.
        """
        clock, watching = self.context.clock, self.context.watching
        began, reads = clock.now(), 0
        while True:
            try:
                # Where it is repeated here, it must not be within: this knows when to end.
                record = await look(change, request.in_doubt)
                if request.in_doubt:
                    self._refuse_copy(record)
            except _PASSING as error:
                reads += 1
                left = began + (watching.stale_for if seconds is None else seconds) - clock.now()
                lasted = reads >= _LOOKS and began + watching.stale_for <= clock.now()
                moved = change.goal.changes_account and isinstance(error, NotFound)
                final = moved or (lasted and isinstance(error, _LASTING))
                if not request.in_doubt or request.halted or final or left <= 0:
                    raise
                pause = read_pause(watching, reads, random.random(), expecting=False)  # noqa: S311  # jitter
                await clock.sleep(min(pause, left))
            else:
                if change.sid is not None:  # sent again, it goes to this SIM and to no other
                    request.path = path_of(self.kind, change.sid)
                return record

    def _refuse_copy(self, record: Any) -> None:
        """Raise for a copy from before an earlier change of ours: it says nothing of the lost one.

        It may show the very target: the SIM was there before, and this may be how it looked.
        """
        known = self._memory.find(record.sid)
        if known is None or known.response_date is None or record.date_updated is None:
            return
        if record.date_updated < known.response_date:
            what = f"{self.kind.noun} {record.sid}"
            raise DecodeError(what, "it is a copy from before an earlier change")

    async def _look(self, change: Change, no_retry: bool) -> T:
        """Read the resource of a change whose response was lost, or that was refused."""
        record: Any = await self._look_by_name(change, no_retry)
        seen = change.seen
        if change.sid is None and seen is not None and not is_same_sid(seen, record.sid):
            # Whose the name was when the change arrived, nobody can tell.
            raise WrongResource(seen, record.sid, noun=self.kind.noun)
        change.sid = record.sid
        found: T = record
        return found

    async def _look_by_name(self, change: Change, no_retry: bool) -> T:
        try:
            return await self._fetch(change.sid or change.name, urgent=True, no_retry=no_retry)
        except NotFound:
            # Renamed by a colleague; or the change was carried out, and it has its new name.
            renamed = change.seen or change.given.get("unique_name")
            if not renamed or change.sid is not None:
                raise
            return await self._fetch(renamed, urgent=True, no_retry=no_retry)

    def _remember(self, change: Change, sid: str, date: datetime | None) -> None:
        now = self.context.clock.now()
        accepted = AcceptedChange(change.goal, now, date, change.nonce, change.name, sid)
        self._keep(accepted, change.given)

    def _recall(self, wait: Transition) -> Mapping[str, Any]:
        """Remember the change of one of many, now that its wait ends, and return it as given.

        While it is pending the wait itself is what remembers it.
        """
        self._remember_of(wait)
        given: Mapping[str, Any] = wait.owner_data
        return given

    async def _update_now(self, name: str, changes: Mapping[str, Any]) -> T:
        """Send a change and return the answer."""
        change = await self._prepare(name, changes)
        try:
            return (await self._write(change, self._request_for(change))).record
        except DecodeError as error:
            if was_processed(error):
                self._remember(change, error.accepted or name, None)
            if error.accepted is None:
                raise
            return await self._read_accepted(change, error)

    async def _read_accepted(self, change: Change, unread: DecodeError) -> T:
        """Read what an accepted change is at, as its own response could not be read."""
        try:
            record = await self._fetch(unread.accepted or change.name, urgent=True)
        except AsyncSimError as error:
            raise unread from error
        if not change.goal.was_accepted(record):  # an old copy
            raise unread
        return record

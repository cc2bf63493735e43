"""Kinds whose updates are accepted first and settle later: `update` and `update_and_wait`."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import datetime
from functools import partial
from typing import Any, Generic, TypeVar

from attrs import define, field, frozen

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
    TransitionError,
    TransitionFailed,
    TransportError,
    UnreachableStatus,
    WrongResource,
)
from asyncsim.http.content import Body, make_body
from asyncsim.http.reconcile import WriteResult, was_processed, write
from asyncsim.http.request import Request
from asyncsim.kind import Kind, is_same_sid
from asyncsim.resources.awaitable import AwaitableResource, check_timeout, wake
from asyncsim.resources.base import Resource, path_of
from asyncsim.resources.names import NameResolver, check_name
from asyncsim.wire import forms

T = TypeVar("T")
_MOST_NAMES = 10_000  # whose SIDs are kept
_MOST_ENCODED = 256  # changes that differ per SIM, such as unique names, must not pile up
_MIN_READS = 3  # before a lasting error is believed after a lost response

# Errors of a read after a lost response that say nothing about the SIM yet; any other
# rejection (400, 422) comes from a gateway.
_TRANSIENT = (APIError, DecodeError, QueueTimeout, TransportError)
# Those of them that count once they last: a replica's 404, or a gateway's 401, passes.
_TELLING = (AuthenticationError, NotFound, PermissionDenied)


@frozen
class EncodedChange:
    """The parts shared by all SIMs that get the same change."""

    form: str
    body: Body
    """`form`, as it is sent."""
    goal: Goal | None
    """None: it names other resources, which must be resolved each time."""


class EncodedChanges:
    """The changes encoded so far.

    Encoding is a tenth of what an update costs, and a goal for each SIM would stay in memory
    (benchmarks/cases/requests.py).
    """

    def __init__(self, encode: Callable[[Mapping[str, Any]], EncodedChange]) -> None:
        self._encode = encode
        self._encoded: dict[tuple[Any, ...], EncodedChange] = {}

    def __len__(self) -> int:
        return len(self._encoded)

    def of(self, changes: Mapping[str, Any]) -> EncodedChange:
        """Return an encoded change."""
        for value in changes.values():
            if value.__class__ is not str and value is not None:
                return self._encode(changes)  # 1 and True are the same key, but different texts
        key = tuple(changes.items())
        encoded = self._encoded.get(key)
        if encoded is None:
            if len(self._encoded) >= _MOST_ENCODED:
                self._encoded.clear()
            encoded = self._encoded[key] = self._encode(changes)
        return encoded


@define(kw_only=True, eq=False)  # not frozen: that would cost as much as a URL, per update
class Change:
    """One change, ready to be sent."""

    name: str
    """The addressed name: SID or unique name."""
    sid: str | None
    """Set once a response to this change, or a read after it, has shown it."""
    last_sid: str | None
    """SID of the SIM that had the name when last seen; by now it may be another's."""
    given: Mapping[str, Any]
    goal: Goal
    nonce: str | None = field(repr=False)
    body: Body = field(repr=False)  # holds the ticket
    """The changes and the callback URL, encoded."""


class UpdatableResource(AwaitableResource[T], Generic[T]):
    """A kind whose updates are accepted first and settle later.

    `references`: keyword of an update that names another resource -> that resource's kind.
    """

    def __init__(
        self, context: ClientContext, kind: Kind[T], references: Mapping[str, Kind[Any]]
    ) -> None:
        super().__init__(context, kind)
        self.resolvers = {
            keyword: NameResolver(other, Resource(context, other).fetch, context.clock)
            for keyword, other in references.items()
        }
        self._encoded = EncodedChanges(self._encode)
        self._sids: dict[str, str] = {}
        """Unique name -> SID, as the latest response showed it."""

    async def update(self, name: str, changes: Mapping[str, Any]) -> T:
        """Send a change and return the response's record, usually with a pending status."""
        change = await self.prepare(name, changes)
        return (await self.send_change(change, self.request_for(change))).record

    async def send_change(self, change: Change, request: Request) -> WriteResult[T]:
        """Send a change; if its response is unreadable, read the SIM instead."""
        try:
            return await self.write(change, request)
        except DecodeError as unread:
            if was_processed(unread):
                self.remember_change(change, unread.accepted or change.name, None)
            if unread.accepted is None:
                raise
            try:
                record = await self.fetch(unread.accepted, urgent=True)
            except AsyncSimError as error:
                raise unread from error
            if not change.goal.was_accepted(record):  # a stale copy from before the change
                raise
            return WriteResult(record)

    async def update_and_wait(
        self,
        name: str,
        changes: Mapping[str, Any],
        until: Collection[str] | str | None,
        timeout: float | None,
    ) -> T:
        """Send a change and wait until the SIM settles."""
        check_timeout(timeout)
        change = await self.prepare(name, changes, until)
        try:
            return await self._send_and_wait(change, timeout)
        except _ForeignChange:
            return await self._send_and_wait(change, timeout, resent=True)

    async def _send_and_wait(
        self, change: Change, timeout: float | None, *, resent: bool = False
    ) -> T:
        watcher = await self.start_watcher()
        ended = asyncio.get_running_loop().create_future()
        request = self.request_for(change)
        on_done = partial(_stop, request, ended)
        wait = self.new_wait(change.name, change.goal, on_done, timeout, nonce=change.nonce)
        request.pause_budget = wait.timeout
        watcher.register(wait)  # before the POST is sent, so that no callback comes too early
        try:
            read = partial(self.read_back, change, request, self.read_target, wait.timeout)
            written = await self.write(change, request, read)
        except BaseException as error:
            if was_processed(error):  # its response could not be used: wait by reads, never resend
                wait.count_requests(request.attempts)
                self.remember_change(change, error.accepted or change.name, None)
                watcher.accepted_unread(wait, error)
                try:
                    return await self.finish(watcher, wait, ended)
                except TransitionError as failed:
                    raise failed from failed.__cause__ or error
            if wait.settled_by is not None and isinstance(error, Exception):
                # Its callback overtook the response, which was lost; so the change was accepted.
                return await self.finish(watcher, wait, ended)
            watcher.abandon(wait)
            raise
        wait.count_requests(request.attempts)
        watcher.accepted(wait, written.record)
        try:
            return await self.finish(watcher, wait, ended)
        except TransitionFailed as failed:
            if written.recovered and not resent:
                raise _ForeignChange from failed
            raise

    # Preparing.

    async def prepare(
        self, name: str, changes: Mapping[str, Any], until: Collection[str] | str | None = None
    ) -> Change:
        """Validate a change before anything is sent, and give it its own callback URL."""
        by_sid = isinstance(name, str) and self.kind.is_sid(name)
        if not by_sid:
            check_name(self.kind, name)
        encoded = self._encoded.of(changes)
        goal, body, nonce = encoded.goal, encoded.body, None
        if goal is None or until is not None:
            statuses = self.check_statuses(until)
            status = changes.get("status")
            if statuses and status and not can_end_in(self.kind, status, statuses):
                raise UnreachableStatus(
                    name, Goal(self.kind, changes, statuses).description, status
                )
            goal = Goal(self.kind, await self.resolve(changes), statuses)
        if self.context.current_sender is None:
            await self.context.open()  # which starts the receiver
        registration = self.context.registration
        if registration is not None and "callback_url" not in changes:
            url, nonce = registration.issue_url(self.kind.product, name)
            ticket = forms.encode(self.kind.update, {"callback_url": url})
            body = make_body(f"{encoded.form}&{ticket}" if encoded.form else ticket)
        return Change(
            name=name,
            sid=name if by_sid else None,
            last_sid=self._sids.get(name),
            given=changes,
            goal=goal,
            nonce=nonce,
            body=body,
        )

    def check_changes(self, changes: Mapping[str, Any]) -> None:
        """Raise `TypeError` or `ValueError` for keywords that `update` does not take."""
        self._encoded.of(changes)

    def _encode(self, changes: Mapping[str, Any]) -> EncodedChange:
        forms.check(self.kind.update, changes, f"{self.kind.key}.update()")
        text = forms.encode(self.kind.update, changes)
        own = self._own_keywords(changes)
        named = any(
            own.get(keyword) and not resolver.kind.is_sid(own[keyword])
            for keyword, resolver in self.resolvers.items()
        )
        return EncodedChange(text, make_body(text), None if named else Goal(self.kind, own))

    def _own_keywords(self, changes: Mapping[str, Any]) -> dict[str, Any]:
        """Leave out names in the account that a SIM moves to: this account cannot read them."""
        moves = "account_sid" in changes
        return {key: changes[key] for key in changes if not (moves and key in self.resolvers)}

    async def resolve(self, changes: Mapping[str, Any]) -> Mapping[str, Any]:
        """Replace names of other resources by SIDs, so that they can be compared."""
        resolved = self._own_keywords(changes)
        for keyword, resolver in self.resolvers.items():
            if resolved.get(keyword):
                resolved[keyword] = await resolver.sid_of(changes[keyword])
        return resolved

    # Writing.

    def request_for(self, change: Change) -> Request:
        """Build the POST of a change; once the SID is known, it addresses no other SIM."""
        name = change.sid or change.name
        return self.request(
            "POST", "update", name, body=change.body, idempotency=Idempotency.CHECK_FIRST
        )

    async def write(
        self,
        change: Change,
        request: Request,
        read: Callable[[], Awaitable[T]] | None = None,
        *,
        remember: bool = True,
    ) -> WriteResult[T]:
        """Send a change until it is known to be accepted or rejected; remember it.

        `read` replaces the read that follows a lost response.
        """
        written = await write(
            self.context.current_sender or await self.context.open(),
            request,
            change.goal,
            decode=lambda response: self.decode_accepted(response, change.sid or change.name),
            read=read or partial(self.read_back, change, request, self.read_target),
            attempts=self.context.retry.attempts,
        )
        if remember:
            record: Any = written.record
            self.remember_change(change, record.sid, record.date_updated)
        return written

    def check_sid(self, name: str, sid: str) -> None:
        """Raise `WrongResource` for another SID; remember the SID of a unique name."""
        super().check_sid(name, sid)
        if name and not self.kind.is_sid(name):
            if len(self._sids) >= _MOST_NAMES:
                self._sids.clear()
            self._sids[name] = sid

    def remember_change(self, change: Change, sid: str, date: datetime | None) -> None:
        """Remember an accepted change as the target of a later `await_transition`."""
        now = self.context.clock.now()
        accepted = AcceptedChange(change.goal, now, date, change.nonce, change.name, sid)
        # Under each name that a later call may use: addressed name, SID, new unique name.
        names = {change.name, sid, change.given.get("unique_name") or sid}
        self.accepted.remember(accepted, *names)

    def recall(self, wait: Transition) -> Mapping[str, Any]:
        """Remember the change of a fan-out's wait that ends, and return it.

        While it is pending, the wait itself holds it.
        """
        self.remember_wait(wait)
        given: Mapping[str, Any] = wait.owner_data
        return given

    # Reading back.

    async def read_back(
        self,
        change: Change,
        request: Request,
        read: Callable[[Change, bool], Awaitable[T]],
        seconds: float | None = None,
    ) -> T:
        """Read the outcome of a change; after a lost response, for up to so many seconds.

        Reporting a failure after a few bad reads would be wrong: the change may be in flight.
        Unless its end is awaited anyway, reads continue for as long as a copy may be stale.
        """
        clock, watching = self.context.clock, self.context.watching
        began, reads = clock.now(), 0
        while True:
            try:
                # The sender must not retry it as well: only this function knows when to end.
                record = await read(change, request.in_doubt)
                if request.in_doubt and self.is_outdated(record):
                    # It may even show the target: the SIM may have been there before.
                    what = f"{self.kind.noun} {change.sid}"
                    raise DecodeError(what, "it is a stale copy, from before an earlier change")
            except _TRANSIENT as error:
                reads += 1
                left = began + (watching.stale_for if seconds is None else seconds) - clock.now()
                lasted = reads >= _MIN_READS and began + watching.stale_for <= clock.now()
                moved = change.goal.changes_account and isinstance(error, NotFound)
                final = moved or (lasted and isinstance(error, _TELLING))
                if not request.in_doubt or request.halted or final or left <= 0:
                    raise
                pause = read_pause(watching, reads, random.random(), expecting=False)  # noqa: S311  # jitter
                await clock.sleep(min(pause, left))
            else:
                if change.sid is not None:  # a resend must address this SIM only
                    request.path = path_of(self.kind, change.sid)
                return record

    async def read_target(self, change: Change, no_retry: bool) -> T:
        """Read the resource of a change whose response was lost, or that was rejected."""
        record: Any
        try:
            record = await self.fetch(change.sid or change.name, urgent=True, no_retry=no_retry)
        except NotFound:
            # Renamed by another client; or the change was carried out, and the SIM has its new
            # name.
            renamed = change.last_sid or change.given.get("unique_name")
            if not renamed or change.sid is not None:
                raise
            record = await self.fetch(renamed, urgent=True, no_retry=no_retry)
        last = change.last_sid
        if change.sid is None and last is not None and not is_same_sid(last, record.sid):
            # It is unknown which SIM had the name when the change arrived.
            raise WrongResource(last, record.sid, noun=self.kind.noun)
        change.sid = record.sid
        found: T = record
        return found


def _stop(request: Request, ended: asyncio.Future[None], wait: Transition) -> None:
    """`on_done`: an ended change is not resent, or it would undo later ones."""
    request.halt()
    wake(ended, wait)


class _ForeignChange(Exception):  # internal: triggers a resend
    """A response was lost, and the change that looked like ours was another client's."""

"""Waits that another process can finish: prepared updates, and waits resumed from a token."""

from __future__ import annotations

import asyncio
import copy
from collections import deque
from collections.abc import AsyncGenerator, Callable, Collection, Generator, Iterable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from asyncsim.callbacks.tickets import account_tag
from asyncsim.context import ClientContext
from asyncsim.core import wait_token
from asyncsim.core.transition import Transition
from asyncsim.core.unproven import Before
from asyncsim.core.wait_token import WaitToken
from asyncsim.errors import APIError, OutcomeUnknown
from asyncsim.http.reconcile import was_processed
from asyncsim.http.request import Request
from asyncsim.resources.awaitable import check_timeout, wake
from asyncsim.resources.updatable import Change, UpdatableResource
from asyncsim.wait_errors import TokenError

if TYPE_CHECKING:  # imported on first use
    from asyncsim.waiting import Watcher

T = TypeVar("T")

_MOST_SEEN = 100  # records kept for a slow reader of `async for`; the oldest are dropped


class Wait(Generic[T]):
    """The wait for one change, from its token: `await` it for the settled SIM, as often as needed.

    `async for seen in wait` yields each record that is learnt meanwhile, and ends with the settled
    one. Neither sends anything but reads. Both raise what `update_and_wait` raises, and
    `PerhapsNeverSent` if the SIM shows no trace of the change by the deadline. Unless the change is
    known to have been accepted, a SIM that has settled elsewhere does not end the wait: that may be
    another client's doing, and the change may still be sent. Cancelling an `await` frees what it
    held; a later one goes on.
    """

    def __init__(self, resource: UpdatableResource[T], content: WaitToken, token: str) -> None:
        self.token = token
        """The text from which any process of the same account resumes this wait."""
        self._resource = resource
        self._content = content
        self._settled: T | None = None

    def __repr__(self) -> str:
        until = self.deadline.isoformat(timespec="seconds")
        return f"<{type(self).__name__} {self.sid}: {dict(self.requested)!r}, until {until}>"

    @property
    def sid(self) -> str:
        """The SID of the SIM."""
        return self._content.sid

    @property
    def requested(self) -> Mapping[str, Any]:
        """The change; from a token without its URLs and long texts, which are hidden there."""
        return self._content.goal.description

    @property
    def deadline(self) -> datetime:
        """When the wait ends, in UTC; from then on `PreparedUpdate.send` sends nothing."""
        return datetime.fromtimestamp(self._content.deadline, UTC)

    def __await__(self) -> Generator[Any, None, T]:
        return self._settle().__await__()

    async def __aiter__(self) -> AsyncGenerator[T, None]:
        seen: deque[T] = deque(maxlen=_MOST_SEEN)
        changed = asyncio.Event()

        def on_seen(record: T) -> None:
            seen.append(record)
            changed.set()

        settling = asyncio.ensure_future(self._settle(on_seen))
        settling.add_done_callback(lambda _: changed.set())
        last: T | None = None
        try:
            while seen or not settling.done():
                await changed.wait()
                changed.clear()
                while seen:
                    record = seen.popleft()
                    if record != last:
                        yield record
                    last = record
            settled = await settling
            if settled != last:
                yield settled
        finally:
            settling.cancel()
            await asyncio.gather(settling, return_exceptions=True)

    async def _settle(self, on_seen: Callable[[T], None] | None = None) -> T:
        if self._settled is None:
            with self._resource.calling("await_transition"):
                self._settled = await self._run(on_seen)
        return self._settled

    async def _run(self, on_seen: Callable[[T], None] | None) -> T:
        """Wait for a change of which it is unknown whether it was sent."""
        content = self._content
        began = self._resource.context.clock.now() - self._age
        return await self._run_wait(
            on_seen,
            lambda watcher, wait: watcher.resume(wait),
            started=began,
            accepted_at=began,
            response_date=content.before.date_updated,
        )

    @property
    def _age(self) -> float:
        now = self._resource.context.clock.utcnow().timestamp()
        return max(now - self._content.prepared_at, 0.0)  # clocks of two machines differ

    async def _run_wait(
        self,
        on_seen: Callable[[T], None] | None,
        begin: Callable[[Watcher, Transition], None],
        **facts: Any,
    ) -> T:
        resource, content = self._resource, self._content
        await resource.start_watcher()
        ended = asyncio.get_running_loop().create_future()
        wait = resource.new_wait(
            content.sid,
            content.goal,
            partial(wake, ended),
            max(content.deadline - resource.context.clock.utcnow().timestamp(), 0.0),
            # Without a receiver none of its callbacks arrives here.
            nonce=None if resource.context.registration is None else content.nonce,
            seen_before=True,
            before=content.before,
            on_seen=on_seen,
            **facts,
        )
        return await resource.run_wait(wait, ended, begin, content.sid)


class PreparedUpdate(Wait[T]):
    """A change that was checked and has a token, and is sent by `send()` alone."""

    def __init__(
        self, resource: UpdatableResource[T], content: WaitToken, token: str, change: Change
    ) -> None:
        super().__init__(resource, content, token)
        self._change = change
        self._sending = asyncio.Lock()
        self._response: T | None = None
        self._proven = False
        """Whether the change is known to have been accepted."""
        self._error: Exception | None = None
        """Why it has no response."""
        self._rejected = False
        """Whether that error is the vendor's last word."""

    async def send(self) -> T:
        """Send the change and return the SIM from the response, usually pending.

        Raises what `update` raises. It is sent once: another call returns the same SIM, or raises
        the same error, unless it is certain that nothing was sent. If the outcome is unknown
        (`outcome_unknown`, or this call was cancelled), awaiting this object finds it out. After
        the deadline nothing is sent, and `TokenError` says so.
        """
        async with self._sending:
            if self._error is not None:
                raise copy.copy(self._error)
            if self._response is None:
                with self._resource.calling("send"):
                    self._response = await self._send()
            return self._response

    async def _send(self) -> T:
        resource, clock = self._resource, self._resource.context.clock
        left = self._content.deadline - clock.utcnow().timestamp()
        if left <= 0:
            raise TokenError(
                f"{self.sid}: the deadline of this update has passed: nothing was sent"
            )
        request = resource.request_for(self._change)
        request.send_by, request.pause_budget = clock.now() + left, left
        try:
            written = await resource.send_change(self._change, request)
        except BaseException as error:
            self._record_failure(error, request)
            raise
        self._proven = not written.recovered  # else its response was lost: another's change?
        return written.record

    def _record_failure(self, error: BaseException, request: Request) -> None:
        self._proven = was_processed(error)
        self._rejected = isinstance(error, APIError) and request.attempts > 0
        if self._proven or request.in_doubt:
            self._rejected = False
            unknown = OutcomeUnknown(request.operation, "await this update to find out")
            self._error = error if isinstance(error, Exception) else unknown
        elif self._rejected and isinstance(error, Exception):
            self._error = error

    async def _run(self, on_seen: Callable[[T], None] | None) -> T:
        async with self._sending:  # a call in flight decides first
            response, error = self._response, self._error
        if error is not None and self._rejected:
            raise copy.copy(error)
        if response is None and error is None:
            raise TokenError(f"{self.sid}: this update has not been sent: call send() first")
        if not self._proven:
            return await super()._run(on_seen)

        def begin(watcher: Watcher, wait: Transition) -> None:
            if error is not None and was_processed(error):
                watcher.accepted_unread(wait, error)
            else:
                watcher.accepted(wait, response)

        return await self._run_wait(on_seen, begin, proven=True)


async def prepare_update(
    resource: UpdatableResource[T],
    name: str,
    changes: Mapping[str, Any],
    until: Collection[str] | str | None,
    timeout: float | None,
) -> PreparedUpdate[T]:
    """Check a change, read its SIM, and sign a token; nothing is sent but reads."""
    check_timeout(timeout)
    resource.check_changes(changes)  # before anything is read
    record: Any = await resource.fetch(name)
    change = await resource.prepare(record.sid, changes, until)
    context = resource.context
    seconds = context.watching.timeout if timeout is None else timeout
    now = context.clock.utcnow().timestamp()
    content = WaitToken(
        account=_account_of(context),
        sid=record.sid,
        nonce=change.nonce,
        prepared_at=now,
        deadline=now + seconds,
        before=Before(record.status, record.date_updated),
        goal=change.goal,
    )
    token = wait_token.sign(content, context.ticket_secrets[0])
    return PreparedUpdate(resource, content, token, change)


def resume(token: str, resources: Iterable[UpdatableResource[Any]]) -> Wait[Any]:
    """Verify a token and build its wait; `TokenError` if it cannot be used."""
    by_prefix = {one.kind.sid_prefix: one for one in resources}
    kinds = {prefix: one.kind for prefix, one in by_prefix.items()}
    context = next(iter(by_prefix.values())).context
    content = wait_token.read(token, context.ticket_secrets, _account_of(context), kinds)
    return Wait(by_prefix[content.sid[:2]], content, token)


def _account_of(context: ClientContext) -> str:
    return account_tag(context.vendor.name, context.account)

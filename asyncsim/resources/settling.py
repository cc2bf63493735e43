"""Changing and waiting in one: the mechanics under `update_and_wait` and `update_many`."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from asyncsim.core.transition import Transition
from asyncsim.errors import DecodeError, TransitionError, TransitionFailed
from asyncsim.http.reconcile import was_processed
from asyncsim.http.request import Request
from asyncsim.resources.awaitable import check_timeout, wake
from asyncsim.resources.updatable import Change, Changing

if TYPE_CHECKING:
    from asyncsim.waiting import Watcher

T = TypeVar("T")


class Settling(Changing[T], Generic[T]):
    """A resource whose changes can be awaited."""

    async def _change_and_wait(
        self,
        name: str,
        changes: Mapping[str, Any],
        until: Collection[str] | str | None,
        timeout: float | None,
    ) -> T:
        """Send a change and wait for its end; the wait is registered before the POST is sent."""
        check_timeout(timeout)
        change = await self._prepare(name, changes, until)
        try:
            return await self._send_and_wait(change, timeout)
        except _Mistaken:
            return await self._send_and_wait(change, timeout, again=True)

    async def _send_and_wait(
        self, change: Change, timeout: float | None, *, again: bool = False
    ) -> T:
        watcher = await self._the_watcher()
        ended = asyncio.get_running_loop().create_future()
        request = self._request_for(change)
        sink = partial(_stop, request, ended)
        wait = self._wait_for(change.name, change.goal, sink, timeout)
        wait.nonce = change.nonce
        request.pause_budget = wait.timeout
        watcher.register(wait)
        try:
            look = partial(self._look_on, change, request, self._look, wait.timeout)
            written = await self._write(change, request, look)
        except BaseException as error:
            if was_processed(error):
                wait.requests += request.attempts
                return await self._await_unread(change, watcher, wait, ended, error)
            if wait.settled_by is not None and isinstance(error, Exception):
                # Its callback overtook the answer, which got lost: accepted it was all the same.
                return await self._finish(watcher, wait, ended)
            watcher.abandon(wait)
            raise
        wait.requests += request.attempts
        watcher.accepted(wait, written.record)
        try:
            return await self._finish(watcher, wait, ended)
        except TransitionFailed as failed:
            if written.recovered and not again:
                raise _Mistaken from failed
            raise

    async def _await_unread(
        self,
        change: Change,
        watcher: Watcher,
        wait: Transition,
        ended: asyncio.Future[None],
        unread: DecodeError,
    ) -> T:
        """Wait by reads: the response of the change could not be used, and it is not sent again."""
        self._remember(change, unread.accepted or change.name, None)
        watcher.accepted_unread(wait, unread)
        try:
            return await self._finish(watcher, wait, ended)
        except TransitionError as error:
            raise error from error.__cause__ or unread


def _stop(request: Request, ended: asyncio.Future[None], wait: Transition) -> None:
    """Sink: what has ended is not sent again, or it would undo what came after it."""
    request.halt()
    wake(ended, wait)


class _Mistaken(Exception):  # internal: leads to sending once more
    """An answer was lost, and what looked like our change was somebody else's."""

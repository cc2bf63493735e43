"""Changing and waiting in one: the mechanics under `update_and_wait` and `update_many`."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Collection, Mapping
from functools import partial
from typing import Any, Generic, TypeVar

from asyncsim.core.plan import read_pause
from asyncsim.core.transition import Transition
from asyncsim.errors import (
    QueueTimeout,
    RateLimited,
    ServerError,
    TransitionFailed,
    TransportError,
)
from asyncsim.request import Request
from asyncsim.resources.changes import Change, Changing
from asyncsim.resources.watched import check_timeout, wake

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
        request.patience = wait.timeout
        watcher.begin(wait)
        try:
            look = partial(self._look_on, change, request, wait, self._look)
            written = await self._write(change, request, look)
        except BaseException as error:
            if wait.settled_by is not None and isinstance(error, Exception):
                # Its callback overtook the answer, which got lost: accepted it was all the same.
                return await self._finish(watcher, wait, ended)
            watcher.abandon(wait)
            raise
        wait.requests += request.attempts
        watcher.answered(wait, written.record)
        try:
            return await self._finish(watcher, wait, ended)
        except TransitionFailed as failed:
            if written.recovered and not again:
                raise _Mistaken from failed
            raise

    async def _look_on(
        self,
        change: Change,
        request: Request,
        wait: Transition,
        look: Callable[[Change], Awaitable[T]],
    ) -> T:
        """Look what became of a change; after a lost answer, for as long as it may take to settle.

        Who reported it as failed after a few reads would be wrong: it may be under way.
        """
        clock, watching = self._connection.clock, self._connection.watching
        deadline, failures = clock.now() + wait.timeout, 0
        while True:
            try:
                return await look(change)
            except (TransportError, ServerError, RateLimited, QueueTimeout):
                left = deadline - clock.now()
                if not request.lost or request.halted or left <= 0:
                    raise
                failures += 1
                pause = read_pause(watching, failures, random.random(), expecting=False)  # noqa: S311  # jitter
                await clock.sleep(min(pause, left))
                if request.halted:
                    raise


def _stop(request: Request, ended: asyncio.Future[None], wait: Transition) -> None:
    """Sink: what has ended is not sent again, or it would undo what came after it."""
    request.halted = True
    wake(ended, wait)


class _Mistaken(Exception):  # internal: leads to sending once more
    """An answer was lost, and what looked like our change was somebody else's."""

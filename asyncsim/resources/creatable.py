"""Creating and waiting in one: the mechanics under `send_and_wait` and `create_and_wait`."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any, Generic, TypeVar

from attrs import frozen

from asyncsim.core.goal import Goal, can_reach
from asyncsim.core.transition import Transition
from asyncsim.errors import UnreachableStatus
from asyncsim.http.request import Request
from asyncsim.resources.awaitable import Watched, check_timeout, wake
from asyncsim.wire import forms

T = TypeVar("T")


@frozen
class Draft:
    """A creation, ready to be sent."""

    request: Request
    wait: Transition


class Creating(Watched[T], Generic[T]):
    """A resource that is created pending and settles later."""

    async def _create_pending(
        self,
        keywords: Mapping[str, Any],
        until: Collection[str] | str | None,
        timeout: float | None,
    ) -> T:
        """Create one and wait for its end; the wait is registered before the POST is sent.

        Sent once: `OutcomeUnknown` when the answer was lost.
        """
        check_timeout(timeout)
        watcher = await self._the_watcher()
        ended = asyncio.get_running_loop().create_future()
        draft = self._draft(keywords, until, partial(wake, ended), timeout)
        watcher.register(draft.wait)
        try:
            record = await self._send_once(draft.request)
        except BaseException:
            watcher.abandon(draft.wait)
            raise
        draft.wait.requests += draft.request.attempts
        watcher.accepted(draft.wait, record)
        return await self._finish(watcher, draft.wait, ended)

    def _draft(
        self,
        keywords: Mapping[str, Any],
        until: Collection[str] | str | None,
        sink: Callable[[Transition], None],
        timeout: float | None,
    ) -> Draft:
        """Check a creation before anything is sent, and build its request and its wait."""
        vendor = self.context.vendor
        forms.check(self.kind.create, keywords, f"{self.kind.key}.create()", vendor)
        # Its SID is known only from the answer, so its callbacks go by a name of our own.
        name = f"{self.kind.key}:{uuid.uuid4().hex}"
        wait = self._wait_for(name, self._goal(until), sink, timeout)
        sent, wait.nonce = self._with_ticket(keywords, name)
        request = self._creation(sent)
        request.pause_budget = wait.timeout
        return Draft(request, wait)

    def _goal(self, until: Collection[str] | str | None) -> Goal:
        statuses = self._statuses(until)
        self._check_reachable(statuses)
        return Goal(self.kind, {}, statuses)

    def _check_reachable(self, until: frozenset[str] | None) -> None:
        starts = self.kind.pending
        if until and not any(can_reach(self.kind, start, until) for start in starts):
            described = Goal(self.kind, {}, until).description
            raise UnreachableStatus(f"a new {self.kind.noun}", described)

    def _with_ticket(
        self, keywords: Mapping[str, Any], name: str
    ) -> tuple[Mapping[str, Any], str | None]:
        registration = self.context.registration
        if registration is None or "callback_url" in keywords:
            return keywords, None
        url, nonce = registration.issue_url(self.kind.product, name)
        return {**keywords, "callback_url": url}, nonce

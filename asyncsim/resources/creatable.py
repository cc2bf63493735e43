"""Kinds that are created pending and settle later: `send_and_wait` and `create_and_wait`."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any, Generic, TypeVar

from asyncsim.core.goal import Goal, can_reach
from asyncsim.core.transition import Transition
from asyncsim.errors import UnreachableStatus
from asyncsim.http.request import Request
from asyncsim.resources.awaitable import AwaitableResource, check_timeout, wake
from asyncsim.wire import forms

T = TypeVar("T")


class CreatableResource(AwaitableResource[T], Generic[T]):
    """A kind that is created pending and settles later."""

    async def create_and_wait(
        self,
        keywords: Mapping[str, Any],
        until: Collection[str] | str | None,
        timeout: float | None,
    ) -> T:
        """Create one and wait until it settles; `OutcomeUnknown` if its response was lost."""
        check_timeout(timeout)
        watcher = await self.start_watcher()
        ended = asyncio.get_running_loop().create_future()
        request, wait = self.draft(keywords, until, partial(wake, ended), timeout)
        watcher.register(wait)  # before the POST is sent, so that no callback is missed
        try:
            record = await self.send_creation(request)
        except BaseException:
            watcher.abandon(wait)
            raise
        wait.count_requests(request.attempts)
        watcher.accepted(wait, record)
        return await self.finish(watcher, wait, ended)

    def draft(
        self,
        keywords: Mapping[str, Any],
        until: Collection[str] | str | None,
        on_done: Callable[[Transition], None],
        timeout: float | None,
    ) -> tuple[Request, Transition]:
        """Validate a create before anything is sent, and build its request and its wait."""
        vendor = self.context.vendor
        forms.check(self.kind.create, keywords, f"{self.kind.key}.create()", vendor)
        # The SID is known only from the response, so its callbacks use a name of our own.
        name = f"{self.kind.key}:{uuid.uuid4().hex}"
        goal, nonce = self.goal_of(until), None
        registration = self.context.registration
        if registration is not None and "callback_url" not in keywords:
            url, nonce = registration.issue_url(self.kind.product, name)
            keywords = {**keywords, "callback_url": url}
        wait = self.new_wait(name, goal, on_done, timeout, nonce=nonce)
        request = self.creation(keywords)
        request.pause_budget = wait.timeout
        return request, wait

    def goal_of(self, until: Collection[str] | str | None) -> Goal:
        """Build the goal of a new resource; `UnreachableStatus` if it can never reach it."""
        statuses = self.check_statuses(until)
        goal = Goal(self.kind, {}, statuses)
        starts = self.kind.pending
        if statuses and not any(can_reach(self.kind, start, statuses) for start in starts):
            raise UnreachableStatus(f"a new {self.kind.noun}", goal.description)
        return goal

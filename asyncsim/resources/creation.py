"""One creation's way through a fan-out: sent once, awaited, never repeated."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Generic, TypeVar

from asyncsim.core.transition import Transition
from asyncsim.resources.creatable import Creating, Draft
from asyncsim.resources.outcome import Outcome
from asyncsim.resources.piece import NO_LOG, Host, Log, Stoppable

T = TypeVar("T")


class Creation(Stoppable, Generic[T]):
    """Ends in one call of the host's `settle`; while it is awaited it has no task.

    `reference` is the SID of what an earlier process has created: then that is awaited, and
    nothing is sent.
    """

    def __init__(
        self,
        resource: Creating[T],
        name: str,
        given: Mapping[str, Any],
        host: Host[T],
        *,
        timeout: float | None,
        until: Collection[str] | str | None = None,
        reference: str | None = None,
        log: Log = NO_LOG,
    ) -> None:
        super().__init__()
        self.name = name
        self.given = given
        self._resource = resource
        self._host = host
        self._timeout = timeout
        self._until = until
        self._reference = reference
        self._log = log
        self._clock = resource.context.clock
        self._started = self._clock.now()
        self._wait: Transition | None = None
        self._settled = False

    async def run(self) -> None:
        """Send it and leave its wait with the watcher."""
        try:
            if self._reference is None:
                await self._send()
            else:
                await self._go_on(self._reference)
        except Exception as error:  # noqa: BLE001  # whatever it is, it is this SIM's outcome alone
            if not self._closed or self.sent:  # a lost answer must be heard of in any case
                self._end(error)

    async def _send(self) -> None:
        watcher = await self._resource._the_watcher()
        draft = self._draft()
        self._wait, self._request = draft.wait, draft.request
        await self._log.before()
        watcher.register(draft.wait)
        try:
            record = await self._resource._send_once(draft.request)
            await self._log.accepted(record)
        except BaseException:
            watcher.abandon(draft.wait)
            raise
        finally:
            draft.wait.requests += draft.request.attempts
        watcher.accepted(draft.wait, record)

    def _draft(self) -> Draft:
        return self._resource._draft(self.given, self._until, self._ended, self._timeout)

    async def _go_on(self, reference: str) -> None:
        watcher = await self._resource._the_watcher()
        goal = self._resource._goal(self._until)
        self._wait = wait = self._resource._wait_for(reference, goal, self._ended, self._timeout)
        wait.no_request, wait.accepted_at = True, self._clock.now()
        watcher.register(wait)
        watcher.resume(wait)

    def _ended(self, wait: Transition) -> None:
        self._end(wait.error, sim=wait.last, settled_by=wait.settled_by, confirmed=wait.confirmed)

    def _end(self, error: Exception | None, **found: Any) -> None:
        if self._settled:
            return
        self._settled = True
        parts = {"sim": None, "settled_by": None, "confirmed": False, **found}
        self._host.settle(
            Outcome(
                sid=self.name,
                requested=self.given,
                error=error,
                requests=self._wait.requests if self._wait is not None else 0,
                seconds=self._clock.now() - self._started,
                **parts,
            )
        )

    def abandon(self) -> None:
        """Forget the wait."""
        watcher = self._resource._watcher
        if watcher is not None and self._wait is not None and not self._wait.done:
            watcher.abandon(self._wait)

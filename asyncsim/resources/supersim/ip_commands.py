"""IpCommands to and from Super SIMs."""

from __future__ import annotations

from collections.abc import Collection
from typing import Unpack

from asyncsim.context import ClientContext
from asyncsim.models.supersim.ip_commands import (
    IP_COMMANDS,
    IpCommand,
    IpCommandCreate,
    IpCommandFilter,
    KnownStatus,
)
from asyncsim.resources.base import Verbs
from asyncsim.resources.call_signatures import expand_keywords
from asyncsim.resources.creatable import CreatableResource
from asyncsim.resources.pages import OnBad, Pager


class IpCommands(Verbs[CreatableResource[IpCommand]]):
    """`client.supersim.ip_commands`.

    Source: KORE docs, "IPCommand Resource".
    """

    def __init__(self, context: ClientContext) -> None:
        super().__init__(CreatableResource(context, IP_COMMANDS))

    async def fetch(self, sid: str, /) -> IpCommand:
        """Fetch an IpCommand by SID."""
        return await self.resource.fetch(sid)

    @expand_keywords
    async def create(self, **keywords: Unpack[IpCommandCreate]) -> IpCommand:
        """Send an IpCommand.

        `OutcomeUnknown` when the response was lost: a create is never retried.
        """
        return await self.resource.create(keywords)

    @expand_keywords
    async def send_and_wait(
        self,
        *,
        until: KnownStatus | Collection[KnownStatus] | None = None,
        timeout: float | None = None,
        **keywords: Unpack[IpCommandCreate],
    ) -> IpCommand:
        """Send an IpCommand and wait until it was sent; its arrival is never confirmed.

        `TransitionFailed` when it fails (the device is not attached), `OutcomeUnknown` when its
        response was lost. `timeout` counts in seconds from the response on.
        """
        return await self.resource.create_and_wait(keywords, until, timeout)

    async def await_transition(
        self,
        sid: IpCommand | str,
        /,
        *,
        until: KnownStatus | Collection[KnownStatus] | None = None,
        timeout: float | None = None,
    ) -> IpCommand:
        """Wait until it has settled, or for a status in `until`; `timeout` in seconds.

        `TransitionFailed` when it fails, `TransitionTimeout` at the deadline.
        """
        return await self.resource.await_transition(sid, until, timeout)

    @expand_keywords
    def list(
        self, *, limit: int | None = None, bad: OnBad = "raise", **filters: Unpack[IpCommandFilter]
    ) -> Pager[IpCommand]:
        """List IpCommands; see `Pager` for iteration."""
        return self.resource.list(filters, bad, limit)

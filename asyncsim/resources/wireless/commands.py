"""Commands to and from Programmable Wireless SIMs."""

from __future__ import annotations

from collections.abc import Collection
from typing import Unpack

from asyncsim.context import ClientContext
from asyncsim.models.wireless.commands import (
    COMMANDS,
    Command,
    CommandCreate,
    CommandFilter,
    KnownStatus,
)
from asyncsim.resources.base import Verbs
from asyncsim.resources.call_signatures import expand_keywords
from asyncsim.resources.creatable import CreatableResource
from asyncsim.resources.pages import OnBad, Pager


class Commands(Verbs[CreatableResource[Command]]):
    """`client.wireless.commands`.

    Source: Twilio docs, "Command Resource" (Programmable Wireless).
    """

    def __init__(self, context: ClientContext) -> None:
        super().__init__(CreatableResource(context, COMMANDS))

    async def fetch(self, sid: str, /) -> Command:
        """Fetch a Command by SID."""
        return await self.resource.fetch(sid)

    @expand_keywords
    async def create(self, **keywords: Unpack[CommandCreate]) -> Command:
        """Send a Command.

        `OutcomeUnknown` when the response was lost: a create is never retried.
        """
        return await self.resource.create(keywords)

    @expand_keywords
    async def send_and_wait(
        self,
        *,
        until: KnownStatus | Collection[KnownStatus] | None = None,
        timeout: float | None = None,
        **keywords: Unpack[CommandCreate],
    ) -> Command:
        """Send a Command and wait until it was sent, or delivered if a receipt is requested.

        `until` overrides that. `timeout` counts in seconds from the response on. `TransitionFailed`
        when it fails, `OutcomeUnknown` when its response was lost.
        """
        if until is None and keywords.get("delivery_receipt_requested"):
            # With a receipt, `sent` is settled but not the end (Twilio docs, "Command Resource").
            until = "delivered"
        return await self.resource.create_and_wait(keywords, until, timeout)

    async def await_transition(
        self,
        sid: Command | str,
        /,
        *,
        until: KnownStatus | Collection[KnownStatus] | None = None,
        timeout: float | None = None,
    ) -> Command:
        """Wait until it has settled, or for a status in `until`; `timeout` in seconds.

        `TransitionFailed` when it fails, `TransitionTimeout` at the deadline.
        """
        return await self.resource.await_transition(sid, until, timeout)

    async def delete(self, sid: str, /) -> None:
        """Delete a Command; this cannot be undone."""
        await self.resource.delete(sid)

    @expand_keywords
    def list(
        self, *, limit: int | None = None, bad: OnBad = "raise", **filters: Unpack[CommandFilter]
    ) -> Pager[Command]:
        """List Commands; see `Pager` for iteration."""
        return self.resource.list(filters, bad, limit)

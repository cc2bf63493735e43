"""SmsCommands to and from Super SIMs."""

from __future__ import annotations

from collections.abc import Collection
from typing import Unpack

from asyncsim.context import ClientContext
from asyncsim.models.supersim.sms_commands import (
    SMS_COMMANDS,
    KnownStatus,
    SmsCommand,
    SmsCommandCreate,
    SmsCommandFilter,
)
from asyncsim.resources.base import Verbs
from asyncsim.resources.call_signatures import expand_keywords
from asyncsim.resources.creatable import CreatableResource
from asyncsim.resources.pages import OnBad, Pager


class SmsCommands(Verbs[CreatableResource[SmsCommand]]):
    """`client.supersim.sms_commands`.

    Source: Twilio docs, "SMSCommand Resource".
    """

    def __init__(self, context: ClientContext) -> None:
        super().__init__(CreatableResource(context, SMS_COMMANDS))

    async def fetch(self, sid: str, /) -> SmsCommand:
        """Fetch a SmsCommand by SID."""
        return await self.resource.fetch(sid)

    @expand_keywords
    async def create(self, **keywords: Unpack[SmsCommandCreate]) -> SmsCommand:
        """Send an SmsCommand.

        `OutcomeUnknown` when the response was lost: a create is never retried.
        """
        return await self.resource.create(keywords)

    @expand_keywords
    async def send_and_wait(
        self,
        *,
        until: KnownStatus | Collection[KnownStatus] | None = None,
        timeout: float | None = None,
        **keywords: Unpack[SmsCommandCreate],
    ) -> SmsCommand:
        """Send an SmsCommand and wait until it was sent, or for a status in `until`.

        Pass `until="delivered"` only with a `timeout`: without a confirmation it stays `sent`.
        `TransitionFailed` when it fails, `OutcomeUnknown` when its response was lost.
        """
        return await self.resource.create_and_wait(keywords, until, timeout)

    async def await_transition(
        self,
        sid: SmsCommand | str,
        /,
        *,
        until: KnownStatus | Collection[KnownStatus] | None = None,
        timeout: float | None = None,
    ) -> SmsCommand:
        """Wait until it has settled, or for a status in `until`; `timeout` in seconds.

        `TransitionFailed` when it fails, `TransitionTimeout` at the deadline.
        """
        return await self.resource.await_transition(sid, until, timeout)

    @expand_keywords
    def list(
        self, *, limit: int | None = None, bad: OnBad = "raise", **filters: Unpack[SmsCommandFilter]
    ) -> Pager[SmsCommand]:
        """List SmsCommands; see `Pager` for iteration."""
        return self.resource.list(filters, bad, limit)

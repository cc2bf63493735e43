"""ESimProfiles."""

from __future__ import annotations

from collections.abc import Collection
from typing import Unpack

from asyncsim.context import ClientContext
from asyncsim.models.supersim.esim_profiles import (
    ESIM_PROFILES,
    ESimProfile,
    ESimProfileCreate,
    ESimProfileFilter,
    KnownStatus,
)
from asyncsim.resources.base import Verbs
from asyncsim.resources.call_signatures import expand_keywords
from asyncsim.resources.creatable import CreatableResource
from asyncsim.resources.pages import OnBad, Pager


class ESimProfiles(Verbs[CreatableResource[ESimProfile]]):
    """`client.supersim.esim_profiles`.

    Source: Twilio docs, "ESimProfile Resource".
    """

    def __init__(self, context: ClientContext) -> None:
        super().__init__(CreatableResource(context, ESIM_PROFILES))

    async def fetch(self, sid: str, /) -> ESimProfile:
        """Fetch an ESimProfile by SID."""
        return await self.resource.fetch(sid)

    @expand_keywords
    async def create(self, **keywords: Unpack[ESimProfileCreate]) -> ESimProfile:
        """Create an ESimProfile.

        `OutcomeUnknown` when the response was lost: a create is never retried.
        """
        return await self.resource.create(keywords)

    @expand_keywords
    async def create_and_wait(
        self,
        *,
        until: KnownStatus | Collection[KnownStatus] | None = None,
        timeout: float | None = None,
        **keywords: Unpack[ESimProfileCreate],
    ) -> ESimProfile:
        """Create an ESimProfile and wait until it is `available`, or for a status in `until`.

        `TransitionFailed` when it fails, with the vendor's code; `OutcomeUnknown` when its
        response was lost. `timeout` counts in seconds from the response on.
        """
        return await self.resource.create_and_wait(keywords, until, timeout)

    async def await_transition(
        self,
        sid: ESimProfile | str,
        /,
        *,
        until: KnownStatus | Collection[KnownStatus] | None = None,
        timeout: float | None = None,
    ) -> ESimProfile:
        """Wait until it has settled, or for a status in `until`; `timeout` in seconds.

        `TransitionFailed` when it fails, `TransitionTimeout` at the deadline.
        """
        return await self.resource.await_transition(sid, until, timeout)

    @expand_keywords
    def list(
        self,
        *,
        limit: int | None = None,
        bad: OnBad = "raise",
        **filters: Unpack[ESimProfileFilter],
    ) -> Pager[ESimProfile]:
        """List ESimProfiles; see `Pager` for iteration."""
        return self.resource.list(filters, bad, limit)

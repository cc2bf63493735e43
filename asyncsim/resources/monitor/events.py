"""Monitor Events."""

from __future__ import annotations

from typing import Unpack

from asyncsim.context import ClientContext
from asyncsim.models.monitor.events import EVENTS, Event, EventFilter
from asyncsim.resources.base import Resource, Verbs
from asyncsim.resources.call_signatures import expand_keywords
from asyncsim.resources.pages import OnBad, Pager


class Events(Verbs[Resource[Event]]):
    """`client.monitor.events`.

    Source: Twilio docs, "Monitor Events resource".
    """

    def __init__(self, context: ClientContext) -> None:
        super().__init__(Resource(context, EVENTS))

    async def fetch(self, sid: str, /) -> Event:
        """Fetch an Event by SID."""
        return await self.resource.fetch(sid)

    @expand_keywords
    def list(
        self, *, limit: int | None = None, bad: OnBad = "raise", **filters: Unpack[EventFilter]
    ) -> Pager[Event]:
        """List Events, by date; see `Pager` for iteration."""
        return self.resource.list(filters, bad, limit)

"""DataSessions of a Programmable Wireless SIM."""

from __future__ import annotations

from typing import Unpack

from asyncsim.context import ClientContext
from asyncsim.models.wireless.data_sessions import DATA_SESSIONS, DataSession, DataSessionFilter
from asyncsim.resources.base import Resource, Verbs
from asyncsim.resources.call_signatures import expand_keywords
from asyncsim.resources.pages import OnBad, Pager


class DataSessions(Verbs[Resource[DataSession]]):
    """`client.wireless.data_sessions`.

    Source: Twilio docs, "DataSession Resource".
    """

    def __init__(self, context: ClientContext) -> None:
        super().__init__(Resource(context, DATA_SESSIONS))

    @expand_keywords
    def list(
        self,
        sim: str,
        /,
        *,
        limit: int | None = None,
        bad: OnBad = "raise",
        **filters: Unpack[DataSessionFilter],
    ) -> Pager[DataSession]:
        """List a SIM's DataSessions of up to 30 days; see `Pager` for iteration."""
        return self.resource.list(filters, bad, limit, parent=sim)

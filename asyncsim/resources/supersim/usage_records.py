"""Usage of Super SIMs."""

from __future__ import annotations

from typing import Unpack

from asyncsim.context import ClientContext
from asyncsim.models.supersim.usage_records import USAGE_RECORDS, UsageFilter, UsageRecord
from asyncsim.resources.base import Resource, Verbs
from asyncsim.resources.call_signatures import expand_keywords
from asyncsim.resources.pages import OnBad, Pager


class UsageRecords(Verbs[Resource[UsageRecord]]):
    """`client.supersim.usage_records`.

    Source: Twilio docs, "UsageRecords Resource" (Super SIM).
    """

    def __init__(self, context: ClientContext) -> None:
        super().__init__(Resource(context, USAGE_RECORDS))

    @expand_keywords
    def list(
        self, *, limit: int | None = None, bad: OnBad = "raise", **filters: Unpack[UsageFilter]
    ) -> Pager[UsageRecord]:
        """List usage; see `Pager` for iteration."""
        return self.resource.list(filters, bad, limit)

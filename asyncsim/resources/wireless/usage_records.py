"""Usage of one Programmable Wireless SIM."""

from __future__ import annotations

from typing import Unpack

from asyncsim.context import ClientContext
from asyncsim.models.wireless.usage_records import USAGE_RECORDS, UsageFilter, UsageRecord
from asyncsim.resources.base import Resource, Verbs
from asyncsim.resources.call_signatures import expand_keywords
from asyncsim.resources.pages import OnBad, Pager


class UsageRecords(Verbs[Resource[UsageRecord]]):
    """`client.wireless.usage_records`.

    Source: Twilio docs, "UsageRecords Resource" (Programmable Wireless).
    """

    def __init__(self, context: ClientContext) -> None:
        super().__init__(Resource(context, USAGE_RECORDS))

    @expand_keywords
    def list(
        self,
        sim: str,
        /,
        *,
        limit: int | None = None,
        bad: OnBad = "raise",
        **filters: Unpack[UsageFilter],
    ) -> Pager[UsageRecord]:
        """List a SIM's usage; see `Pager` for iteration."""
        return self.resource.list(filters, bad, limit, parent=sim)

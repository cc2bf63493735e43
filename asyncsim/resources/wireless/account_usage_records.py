"""Usage of all Programmable Wireless SIMs of the account."""

from __future__ import annotations

from typing import Unpack

from asyncsim.context import ClientContext
from asyncsim.models.wireless.usage_records import (
    ACCOUNT_USAGE_RECORDS,
    AccountUsageRecord,
    UsageFilter,
)
from asyncsim.resources.base import Resource, Verbs
from asyncsim.resources.call_signatures import expand_keywords
from asyncsim.resources.pages import OnBad, Pager


class AccountUsageRecords(Verbs[Resource[AccountUsageRecord]]):
    """`client.wireless.account_usage_records`.

    Source: Twilio docs, "Account UsageRecords".
    """

    def __init__(self, context: ClientContext) -> None:
        super().__init__(Resource(context, ACCOUNT_USAGE_RECORDS))

    @expand_keywords
    def list(
        self, *, limit: int | None = None, bad: OnBad = "raise", **filters: Unpack[UsageFilter]
    ) -> Pager[AccountUsageRecord]:
        """List the account's usage; see `Pager` for iteration."""
        return self.resource.list(filters, bad, limit)

"""Usage of all Programmable Wireless SIMs of the account."""

from __future__ import annotations

from typing import Unpack

from asyncsim.models.wireless.usage_records import (
    ACCOUNT_USAGE_RECORDS,
    AccountUsageRecord,
    UsageFilter,
)
from asyncsim.resources.base import Resource
from asyncsim.resources.call_signatures import spelled_out
from asyncsim.resources.pages import OnBad, Pager


class AccountUsageRecords(Resource[AccountUsageRecord]):
    """`client.wireless.account_usage_records`.

    Source: Twilio docs, "Account UsageRecords".
    """

    kind = ACCOUNT_USAGE_RECORDS

    @spelled_out
    def list(
        self, *, bad: OnBad = "raise", **filters: Unpack[UsageFilter]
    ) -> Pager[AccountUsageRecord]:
        """List the account's usage; `Pager` says how to go through them."""
        return self._list(filters, bad)

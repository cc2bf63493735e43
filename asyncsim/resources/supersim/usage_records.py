"""Usage of Super SIMs."""

from __future__ import annotations

from typing import Unpack

from asyncsim.models.supersim.usage_records import USAGE_RECORDS, UsageFilter, UsageRecord
from asyncsim.resources.base import Resource
from asyncsim.resources.call_signatures import spelled_out
from asyncsim.resources.pages import OnBad, Pager


class UsageRecords(Resource[UsageRecord]):
    """`client.supersim.usage_records`.

    Source: Twilio docs, "UsageRecords Resource" (Super SIM).
    """

    kind = USAGE_RECORDS

    @spelled_out
    def list(self, *, bad: OnBad = "raise", **filters: Unpack[UsageFilter]) -> Pager[UsageRecord]:
        """List usage; `Pager` says how to go through them."""
        return self._list(filters, bad)

"""BillingPeriods of a Super SIM."""

from __future__ import annotations

from typing import Unpack

from asyncsim.context import ClientContext
from asyncsim.models.supersim.billing_periods import (
    BILLING_PERIODS,
    BillingPeriod,
    BillingPeriodFilter,
)
from asyncsim.resources.base import Resource, Verbs
from asyncsim.resources.call_signatures import expand_keywords
from asyncsim.resources.pages import OnBad, Pager


class BillingPeriods(Verbs[Resource[BillingPeriod]]):
    """`client.supersim.billing_periods`.

    Source: Twilio docs, "BillingPeriods Subresource".
    """

    def __init__(self, context: ClientContext) -> None:
        super().__init__(Resource(context, BILLING_PERIODS))

    @expand_keywords
    def list(
        self,
        sim: str,
        /,
        *,
        limit: int | None = None,
        bad: OnBad = "raise",
        **filters: Unpack[BillingPeriodFilter],
    ) -> Pager[BillingPeriod]:
        """List a SIM's BillingPeriods; see `Pager` for iteration."""
        return self.resource.list(filters, bad, limit, parent=sim)

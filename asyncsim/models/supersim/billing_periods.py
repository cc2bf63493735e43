"""The BillingPeriod of a Super SIM: one month for which a fee is due. Read only.

Sources: both supersim_v1 documents.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal, TypeAlias

from attrs import frozen

from asyncsim.kind import Kind
from asyncsim.models.common import PageParams, VendorRecord
from asyncsim.models.supersim.sims import SIMS
from asyncsim.vendors import Product

PeriodType: TypeAlias = Literal["ready", "active"] | str


@frozen(kw_only=True)
class BillingPeriod(VendorRecord):
    """From `start_time` (included) to `end_time`."""

    sid: str
    """HB and 32 hex digits."""
    account_sid: str | None = None
    sim_sid: str | None = None
    start_time: datetime | None = None
    end_time: datetime | None = None
    period_type: PeriodType | None = None
    date_created: datetime | None = None
    date_updated: datetime | None = None


class BillingPeriodFilter(PageParams, total=False):
    """Keywords of `list`: pages only."""


BILLING_PERIODS = Kind(
    noun="BillingPeriod",
    product=Product.SUPERSIM,
    path="/v1/Sims/{parent}/BillingPeriods",
    key="billing_periods",
    sid_prefix="HB",
    model=BillingPeriod,
    filters=BillingPeriodFilter,
    parent=SIMS,
)

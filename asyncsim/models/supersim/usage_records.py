"""Usage of Super SIMs, grouped and summed by the vendor. Read only.

Sources: both supersim_v1 documents; Twilio docs, "UsageRecords Resource".
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Literal

from attrs import frozen

from asyncsim.kind import Kind
from asyncsim.models.common import PageParams, VendorRecord
from asyncsim.vendors import Product


@frozen(kw_only=True)
class UsagePeriod:
    """From `start_time` (included) to `end_time` (excluded)."""

    start_time: datetime | None = None
    end_time: datetime | None = None


@frozen(kw_only=True)
class UsageRecord(VendorRecord):
    """One bucket; the SIDs and the country are set only if filtered or grouped by."""

    account_sid: str | None = None
    sim_sid: str | None = None
    network_sid: str | None = None
    fleet_sid: str | None = None
    iso_country: str | None = None
    period: UsagePeriod | None = None
    data_upload: int | None = None
    """Bytes."""
    data_download: int | None = None
    data_total: int | None = None
    data_total_billed: Decimal | None = None
    """In `billed_unit`; lags behind. A JSON string in every example of the documents."""
    billed_unit: str | None = None
    """Currency code."""


class UsageFilter(PageParams, total=False):
    """Keywords of `list`; without times, one month that ends now."""

    sim: str
    fleet: str
    network: str
    iso_country: str
    group: Literal["sim", "fleet", "network", "isoCountry"]
    granularity: Literal["hour", "day", "all"]
    """`all` unless given; times must be aligned to it (83601, 83602)."""
    start_time: datetime
    """At most 18 months ago (83605)."""
    end_time: datetime


USAGE_RECORDS = Kind(
    noun="UsageRecord",
    product=Product.SUPERSIM,
    path="/v1/UsageRecords",
    key="usage_records",
    model=UsageRecord,
    filters=UsageFilter,
    page_size_limits={"kore": 249},
)

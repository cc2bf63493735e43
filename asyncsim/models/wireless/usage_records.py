"""Usage of Programmable Wireless, of one SIM and of the account. Read only.

Sources: twilio_wireless_v1 (no schema inside), kore_wireless_v1 (named schemas).
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from attrs import frozen

from asyncsim.kind import Kind
from asyncsim.models.common import PageParams, VendorRecord
from asyncsim.models.wireless.sims import SIMS
from asyncsim.vendors import Product


@frozen(kw_only=True)
class Period:
    """From `start` (included) to `end`; both None when the vendor sends an empty object."""

    start: datetime | None = None
    end: datetime | None = None


@frozen(kw_only=True)
class DataCounts:
    """Data of one area, in `units` (bytes)."""

    download: int | None = None
    upload: int | None = None
    total: int | None = None
    units: str | None = None
    billed: float | None = None
    """In `billing_units`, a currency code."""
    billing_units: str | None = None


@frozen(kw_only=True)
class CountryDataCounts(DataCounts):
    """Data of one country abroad."""

    country_code: str | None = None


@frozen(kw_only=True)
class DataUsage(DataCounts):
    """All data, and where it was used."""

    home: DataCounts | None = None
    national_roaming: DataCounts | None = None
    international_roaming: tuple[CountryDataCounts, ...] | None = None


@frozen(kw_only=True)
class CommandCounts:
    """Commands of one area."""

    from_sim: int | None = None
    to_sim: int | None = None
    total: int | None = None
    billed: float | None = None
    """In `billing_units`, a currency code."""
    billing_units: str | None = None


@frozen(kw_only=True)
class CountryCommandCounts(CommandCounts):
    """Commands of one country abroad."""

    country_code: str | None = None


@frozen(kw_only=True)
class CommandUsage(CommandCounts):
    """All Commands, and where they were sent."""

    home: CommandCounts | None = None
    national_roaming: CommandCounts | None = None
    international_roaming: tuple[CountryCommandCounts, ...] | None = None


@frozen(kw_only=True)
class AccountUsageRecord(VendorRecord):
    """Usage of all SIMs of the account in a period."""

    account_sid: str | None = None
    period: Period | None = None
    commands: CommandUsage | None = None
    data: DataUsage | None = None


@frozen(kw_only=True)
class UsageRecord(AccountUsageRecord):
    """Usage of one SIM in a period."""

    sim_sid: str | None = None


class UsageFilter(PageParams, total=False):
    """Keywords of `list`; without them, one month that ends now."""

    end: datetime
    start: datetime
    granularity: Literal["hourly", "daily", "all"]
    """`all` unless given."""


ACCOUNT_USAGE_RECORDS = Kind(
    noun="UsageRecord",
    product=Product.WIRELESS,
    path="/v1/UsageRecords",
    key="usage_records",
    model=AccountUsageRecord,
    filters=UsageFilter,
)

USAGE_RECORDS = Kind(
    noun="UsageRecord",
    product=Product.WIRELESS,
    path="/v1/Sims/{parent}/UsageRecords",
    key="usage_records",
    model=UsageRecord,
    filters=UsageFilter,
    parent=SIMS,
)

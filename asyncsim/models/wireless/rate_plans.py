"""The Programmable Wireless RatePlan. Sources: twilio_wireless_v1, kore_wireless_v1."""

from __future__ import annotations

from datetime import datetime

from attrs import field, frozen

from asyncsim.kind import Kind, only
from asyncsim.vendors import Product


@frozen(kw_only=True)
class RatePlan:
    """A RatePlan; limits are megabytes per month."""

    sid: str
    """WP and 32 hex digits."""
    unique_name: str | None = None
    account_sid: str | None = None
    friendly_name: str | None = None
    data_enabled: bool | None = None
    data_metering: str | None = None
    data_limit: int | None = None
    messaging_enabled: bool | None = None
    voice_enabled: bool | None = None
    national_roaming_enabled: bool | None = None
    national_roaming_data_limit: int | None = None
    international_roaming: tuple[str, ...] | None = None
    """Any of `data`, `messaging`, `voice`."""
    international_roaming_data_limit: int | None = None
    date_created: datetime | None = None
    date_updated: datetime | None = None
    url: str | None = None
    # The next three are in KORE's response schema only.
    usage_notification_url: str | None = field(default=None, metadata=only("kore"))
    usage_notification_method: str | None = field(default=None, metadata=only("kore"))
    data_limit_strategy: str | None = field(default=None, metadata=only("kore"))


RATE_PLANS = Kind(
    noun="RatePlan",
    product=Product.WIRELESS,
    path="/v1/RatePlans",
    key="rate_plans",
    sid_prefix="WP",
    model=RatePlan,
    named=True,
)

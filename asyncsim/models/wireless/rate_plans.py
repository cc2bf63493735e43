"""The Programmable Wireless RatePlan. Sources: twilio_wireless_v1, kore_wireless_v1."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal, TypedDict

from attrs import field, frozen

from asyncsim.kind import Kind, Only, only
from asyncsim.models.common import PageParams, VendorRecord
from asyncsim.vendors import Product


@frozen(kw_only=True)
class RatePlan(VendorRecord):
    """A RatePlan; limits are megabytes per month."""

    sid: str
    """WP and 32 hex digits."""
    unique_name: str | None = None
    account_sid: str | None = None
    friendly_name: str | None = None
    data_enabled: bool | None = None
    data_metering: str | None = None
    """`payg`; older plans have other models."""
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


class RatePlanCreate(TypedDict, total=False):
    """Keywords of `create`."""

    unique_name: str
    friendly_name: str
    data_enabled: bool
    data_limit: int
    """Megabytes of data on the home network, and roaming in the USA, per month and SIM."""
    data_metering: str
    messaging_enabled: bool
    """Whether SIMs may send and receive Commands."""
    voice_enabled: bool
    """Deprecated."""
    national_roaming_enabled: bool
    international_roaming: Sequence[str]
    """`data`, `messaging`."""
    national_roaming_data_limit: int
    international_roaming_data_limit: int
    data_limit_strategy: Annotated[Literal["block", "throttle"], Only("twilio")]
    """What happens at the limit; at Twilio only."""


class RatePlanUpdate(TypedDict, total=False):
    """Keywords of `update`; a RatePlan's other fields are fixed."""

    unique_name: str | None
    friendly_name: str | None


class RatePlanFilter(PageParams, total=False):
    """Keywords of `list`: pages only."""


RATE_PLANS = Kind(
    noun="RatePlan",
    product=Product.WIRELESS,
    path="/v1/RatePlans",
    key="rate_plans",
    sid_prefix="WP",
    model=RatePlan,
    has_unique_names=True,
    create=RatePlanCreate,
    update=RatePlanUpdate,
    filters=RatePlanFilter,
)

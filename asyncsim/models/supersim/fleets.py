"""The Super SIM Fleet: permissions and limits of a group of SIMs.

Sources: both supersim_v1 documents; Twilio docs, "Fleet Resource".
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal, NotRequired, TypeAlias, TypedDict

from attrs import frozen

from asyncsim.kind import Kind
from asyncsim.models.common import HttpMethod, PageParams, VendorRecord
from asyncsim.vendors import Product

DataMetering: TypeAlias = Literal["payg"] | str


@frozen(kw_only=True)
class Fleet(VendorRecord):
    """A Fleet; every keyword for a Fleet accepts its unique name or SID."""

    sid: str
    """HF and 32 hex digits."""
    unique_name: str | None = None
    account_sid: str | None = None
    data_enabled: bool | None = None
    data_limit: int | None = None
    """Megabytes per SIM and billing period."""
    data_metering: DataMetering | None = None
    sms_commands_enabled: bool | None = None
    sms_commands_url: str | None = None
    sms_commands_method: HttpMethod | str | None = None
    ip_commands_url: str | None = None
    ip_commands_method: HttpMethod | str | None = None
    network_access_profile_sid: str | None = None
    date_created: datetime | None = None
    date_updated: datetime | None = None
    url: str | None = None


class FleetCreate(TypedDict):
    """Keywords of `create`; `data_enabled` and `sms_commands_enabled` can never be changed."""

    network_access_profile: str
    """SID or unique name of the NetworkAccessProfile."""
    unique_name: NotRequired[str]
    data_enabled: NotRequired[bool]
    data_limit: NotRequired[int]
    """Megabytes per SIM and billing period, 1 to 2,000,000."""
    ip_commands_url: NotRequired[str]
    """Called when a SIM sends an IP Command."""
    ip_commands_method: NotRequired[HttpMethod]
    sms_commands_enabled: NotRequired[bool]
    sms_commands_url: NotRequired[str]
    """Called when a SIM sends an SMS Command."""
    sms_commands_method: NotRequired[HttpMethod]


class FleetUpdate(TypedDict, total=False):
    """Keywords of `update`; an absent key is not sent, None clears the field."""

    unique_name: str | None
    network_access_profile: str
    ip_commands_url: str | None
    ip_commands_method: HttpMethod
    sms_commands_url: str | None
    sms_commands_method: HttpMethod
    data_limit: int


class FleetFilter(PageParams, total=False):
    """Keywords of `list`."""

    network_access_profile: str
    """Only Fleets with this NetworkAccessProfile, by SID or unique name."""


FLEETS = Kind(
    noun="Fleet",
    product=Product.SUPERSIM,
    path="/v1/Fleets",
    key="fleets",
    sid_prefix="HF",
    model=Fleet,
    has_unique_names=True,
    create=FleetCreate,
    update=FleetUpdate,
    filters=FleetFilter,
)

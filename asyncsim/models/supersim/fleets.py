"""The Super SIM Fleet: what SIMs of a group may do. Sources: both supersim_v1 documents."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, TypeAlias

from attrs import frozen

from asyncsim.kind import Kind
from asyncsim.models.common import HttpMethod
from asyncsim.vendors import Product

DataMetering: TypeAlias = Literal["payg"] | str


@frozen(kw_only=True)
class Fleet:
    """A Fleet; its name can stand for its SID wherever a Fleet is asked for."""

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


FLEETS = Kind(
    noun="Fleet",
    product=Product.SUPERSIM,
    path="/v1/Fleets",
    key="fleets",
    sid_prefix="HF",
    model=Fleet,
    named=True,
)

"""The ESimProfile: a Super SIM to be downloaded into an eUICC.

Sources: both supersim_v1 documents; Twilio docs, "ESimProfile Resource".
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal, TypeAlias, TypedDict, get_args

from attrs import frozen

from asyncsim.kind import Kind
from asyncsim.models.common import HttpMethod, PageParams, VendorRecord
from asyncsim.vendors import Product

KnownStatus = Literal["new", "reserving", "available", "downloaded", "installed", "failed"]
ESimProfileStatus: TypeAlias = KnownStatus | str


@frozen(kw_only=True)
class ESimProfile(VendorRecord):
    """A profile; `iccid`, `sim_sid` and `smdp_plus_address` come with `available`."""

    sid: str
    """HP and 32 hex digits."""
    status: ESimProfileStatus | None = None
    account_sid: str | None = None
    iccid: str | None = None
    sim_sid: str | None = None
    """The `new` Sim that the reservation created."""
    eid: str | None = None
    """Of the eUICC."""
    smdp_plus_address: str | None = None
    """Host to download from, without a scheme."""
    matching_id: str | None = None
    activation_code: str | None = None
    """`1$HOST$MATCHING-ID`, to be shown as a QR code."""
    error_code: str | None = None
    """When `failed`; a string here."""
    error_message: str | None = None
    date_created: datetime | None = None
    date_updated: datetime | None = None
    url: str | None = None


class ESimProfileCreate(TypedDict, total=False):
    """Keywords of `create`: an `eid`, or `generate_matching_id=True`."""

    callback_url: str
    """Called when the profile has become `available`."""
    callback_method: HttpMethod
    generate_matching_id: bool
    eid: str


class ESimProfileFilter(PageParams, total=False):
    """Keywords of `list`."""

    eid: str
    sim_sid: str
    status: KnownStatus


ESIM_PROFILES = Kind(
    noun="ESimProfile",
    product=Product.SUPERSIM,
    path="/v1/ESimProfiles",
    key="esim_profiles",
    sid_prefix="HP",
    model=ESimProfile,
    create=ESimProfileCreate,
    filters=ESimProfileFilter,
    statuses=get_args(KnownStatus),
    pending=frozenset({"new", "reserving"}),
    failures=frozenset({"failed"}),
)

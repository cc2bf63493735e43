"""The Super SIM Sim. Sources: twilio_supersim_v1 and kore_supersim_v1 (identical schemas)."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, TypeAlias, TypedDict, get_args

from attrs import field, frozen

from asyncsim.kind import Kind
from asyncsim.models.common import HttpMethod, PageParams, VendorRecord
from asyncsim.vendors import Product

KnownStatus = Literal["new", "ready", "active", "inactive", "scheduled"]
SimStatus: TypeAlias = KnownStatus | str
"""Open: a status that the vendor adds later stays a plain string."""

RequestableStatus = Literal["ready", "active", "inactive"]


@frozen(kw_only=True)
class Sim(VendorRecord):
    """A Super SIM as the vendor last reported it."""

    sid: str
    """HS and 32 hex digits."""
    status: SimStatus | None = None
    """`scheduled` while a change is in progress; None where the vendor leaves it out."""
    unique_name: str | None = None
    account_sid: str | None = None
    iccid: str | None = None
    """19 or 20 digits, as text."""
    fleet_sid: str | None = None
    """Keeps the old Fleet while a change of Fleet is pending."""
    date_created: datetime | None = None
    date_updated: datetime | None = None
    url: str | None = None
    links: dict[str, str] | None = field(default=None, hash=False)


class SimRegister(TypedDict):
    """Keywords of `register`."""

    iccid: str
    """ICCID of the SIM to add to the account."""
    registration_code: str
    """The 10 characters printed on the card."""


class SimUpdate(TypedDict, total=False):
    """Keywords of `update`; an absent key is not sent, None clears the field."""

    unique_name: str | None
    """Name that can be used in place of the SID; unique in the account (83011)."""
    status: RequestableStatus
    """Status to move to; the response shows `scheduled` until the SIM settles."""
    fleet: str | None
    """SID or unique name of the Fleet; activation needs one (83007)."""
    callback_url: str
    """Called when an asynchronous update has finished."""
    callback_method: HttpMethod
    """POST unless given."""
    account_sid: str
    """Account to move a `new` SIM to."""


class SimFilter(PageParams, total=False):
    """Keywords of `list`."""

    status: KnownStatus
    """Only SIMs in this status."""
    fleet: str
    """Only SIMs of this Fleet, by SID or unique name."""
    iccid: str
    """Only the SIM with this ICCID: a list of at most one."""


SIMS = Kind(
    noun="Sim",
    product=Product.SUPERSIM,
    path="/v1/Sims",
    key="sims",
    sid_prefix="HS",
    model=Sim,
    has_unique_names=True,
    create=SimRegister,
    update=SimUpdate,
    filters=SimFilter,
    statuses=get_args(KnownStatus),
    pending=frozenset({"scheduled"}),
    compared={
        "unique_name": "unique_name",
        "status": "status",
        "fleet": "fleet_sid",
        "account_sid": "account_sid",
    },
)

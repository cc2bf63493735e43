"""The Programmable Wireless Sim. Sources: twilio_wireless_v1, kore_wireless_v1 and their pages."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, TypeAlias, TypedDict, get_args

from attrs import field, frozen

from asyncsim.kind import FormKey, Kind, spelled
from asyncsim.models.common import HttpMethod, PageParams, VendorRecord
from asyncsim.vendors import Product

KnownStatus = Literal[
    "new",
    "ready",
    "active",
    "suspended",
    "deactivated",
    "canceled",
    "scheduled",
    "updating",
    "deleted",  # KORE's response enum only
]
SimStatus: TypeAlias = KnownStatus | str
"""Open: a status that the vendor adds later stays a plain string."""

RequestableStatus = Literal["new", "ready", "active", "suspended", "deactivated"]
"""Statuses that `update` takes: the four of the documents' prose, and `new`, which Twilio's own
example sends with a move between accounts. The documents' enum has eight; the rest only the vendor
sets."""

FilterStatus = Literal[
    "new", "ready", "active", "suspended", "deactivated", "canceled", "scheduled", "updating"
]


@frozen(kw_only=True)
class Sim(VendorRecord):
    """A Programmable Wireless SIM as the vendor last reported it."""

    sid: str
    """DE and 32 hex digits."""
    status: SimStatus | None = None
    """`updating` or `scheduled` during a change; None where the vendor leaves it out."""
    unique_name: str | None = None
    friendly_name: str | None = None
    account_sid: str | None = None
    rate_plan_sid: str | None = None
    iccid: str | None = None
    """19 or 20 digits, as text."""
    eid: str | None = field(default=None, metadata=spelled(twilio="e_id"))
    """Deprecated by both vendors. Twilio spells it `e_id`, KORE `eid`."""
    reset_status: Literal["resetting"] | str | None = None
    """`resetting` until the operator has accepted a connectivity reset."""
    commands_callback_url: str | None = None
    commands_callback_method: HttpMethod | str | None = None
    sms_fallback_method: HttpMethod | str | None = None
    sms_fallback_url: str | None = None
    sms_method: HttpMethod | str | None = None
    sms_url: str | None = None
    voice_fallback_method: HttpMethod | str | None = None
    voice_fallback_url: str | None = None
    voice_method: HttpMethod | str | None = None
    voice_url: str | None = None
    ip_address: str | None = None
    date_created: datetime | None = None
    date_updated: datetime | None = None
    url: str | None = None
    links: dict[str, str] | None = field(default=None, hash=False)


class SimUpdate(TypedDict, total=False):
    """Keywords of `update`; an absent key is not sent, None clears the field."""

    unique_name: str | None
    """Name that can be used in place of the SID; unique in the account."""
    callback_method: HttpMethod
    """POST unless given."""
    callback_url: str
    """Called when the update has finished, and for new to ready and any to deactivated again
    when the SIM reaches `active` or `canceled`."""
    friendly_name: str | None
    """Description; need not be unique."""
    rate_plan: str | None
    """SID or unique name of the RatePlan; activation needs one (33104)."""
    status: RequestableStatus
    """Status to move to; the response shows `updating` or `scheduled` until the SIM settles."""
    commands_callback_method: HttpMethod
    commands_callback_url: str | None
    """Called when the SIM sends a Command."""
    sms_fallback_method: HttpMethod
    sms_fallback_url: str | None
    sms_method: HttpMethod
    sms_url: str | None
    voice_fallback_method: HttpMethod
    """Deprecated."""
    voice_fallback_url: str | None
    """Deprecated."""
    voice_method: HttpMethod
    """Deprecated."""
    voice_url: str | None
    """Deprecated."""
    reset_status: Literal["resetting"]
    """Start a connectivity reset; not together with `status` (33121)."""
    account_sid: str
    """Account to move a `new` SIM to."""


class SimFilter(PageParams, total=False):
    """Keywords of `list`."""

    status: FilterStatus
    """Only SIMs in this status; KORE's text names four values, its enum all eight."""
    iccid: str
    """Only the SIM with this ICCID: a list of at most one."""
    rate_plan: str
    """Only SIMs of this RatePlan, by SID or unique name."""
    eid: Annotated[str, FormKey("EId")]
    """Deprecated."""
    sim_registration_code: str
    """Only the SIM with this registration code: a list of at most one."""


SIMS = Kind(
    noun="Sim",
    product=Product.WIRELESS,
    path="/v1/Sims",
    key="sims",
    sid_prefix="DE",
    model=Sim,
    has_unique_names=True,
    update=SimUpdate,
    filters=SimFilter,
    statuses=get_args(KnownStatus),
    pending=frozenset({"scheduled", "updating"}),
    compared={
        "unique_name": "unique_name",
        "friendly_name": "friendly_name",
        "rate_plan": "rate_plan_sid",
        "status": "status",
        "commands_callback_method": "commands_callback_method",
        "commands_callback_url": "commands_callback_url",
        "sms_fallback_method": "sms_fallback_method",
        "sms_fallback_url": "sms_fallback_url",
        "sms_method": "sms_method",
        "sms_url": "sms_url",
        "voice_fallback_method": "voice_fallback_method",
        "voice_fallback_url": "voice_fallback_url",
        "voice_method": "voice_method",
        "voice_url": "voice_url",
        "account_sid": "account_sid",
    },
)

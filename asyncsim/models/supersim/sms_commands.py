"""The Super SIM SmsCommand: a text message to or from a SIM.

Sources: both supersim_v1 documents; Twilio docs, "SMSCommand Resource".
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal, NotRequired, TypeAlias, TypedDict, get_args

from attrs import frozen

from asyncsim.kind import Kind
from asyncsim.models.common import HttpMethod, PageParams, VendorRecord
from asyncsim.vendors import Product

KnownStatus = Literal["queued", "sent", "delivered", "received", "failed"]
SmsCommandStatus: TypeAlias = KnownStatus | str
Direction: TypeAlias = Literal["to_sim", "from_sim"] | str


@frozen(kw_only=True)
class SmsCommand(VendorRecord):
    """An SmsCommand as the vendor last reported it."""

    sid: str
    """HC and 32 hex digits."""
    status: SmsCommandStatus | None = None
    """`queued` until the first attempt, then `sent`, `delivered` on confirmation; it stays `sent`
    if none comes. From a SIM always `received`."""
    account_sid: str | None = None
    sim_sid: str | None = None
    payload: str | None = None
    direction: Direction | None = None
    date_created: datetime | None = None
    date_updated: datetime | None = None
    url: str | None = None


class SmsCommandCreate(TypedDict):
    """Keywords of `create`."""

    sim: str
    """SID or unique name of the Sim, which must be `ready` or `active`."""
    payload: str
    """Up to 160 single-byte characters."""
    callback_method: NotRequired[HttpMethod]
    callback_url: NotRequired[str]
    """Called at each change of status."""


class SmsCommandFilter(PageParams, total=False):
    """Keywords of `list`."""

    sim: str
    """Only Commands of this Sim, by SID or unique name."""
    status: KnownStatus
    direction: Literal["to_sim", "from_sim"]


SMS_COMMANDS = Kind(
    noun="SmsCommand",
    product=Product.SUPERSIM,
    path="/v1/SmsCommands",
    key="sms_commands",
    sid_prefix="HC",
    model=SmsCommand,
    create=SmsCommandCreate,
    filters=SmsCommandFilter,
    statuses=get_args(KnownStatus),
    pending=frozenset({"queued"}),
    failures=frozenset({"failed"}),
)

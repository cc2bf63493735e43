"""The Programmable Wireless Command: a message to or from a SIM. Kept for 30 days.

Sources: twilio_wireless_v1, kore_wireless_v1; Twilio docs, "Command Resource".
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal, NotRequired, TypeAlias, TypedDict, get_args

from attrs import frozen

from asyncsim.kind import Kind
from asyncsim.models.common import HttpMethod, PageParams, VendorRecord
from asyncsim.vendors import Product

KnownStatus = Literal["queued", "sent", "delivered", "received", "failed"]
CommandStatus: TypeAlias = KnownStatus | str
CommandMode: TypeAlias = Literal["text", "binary"] | str
Direction: TypeAlias = Literal["from_sim", "to_sim"] | str
Transport: TypeAlias = Literal["sms", "ip"] | str


@frozen(kw_only=True)
class Command(VendorRecord):
    """A Command as the vendor last reported it."""

    sid: str
    """DC and 32 hex digits."""
    status: CommandStatus | None = None
    """`queued`, then `sent`, then `delivered` if a receipt was requested, or `failed`; from a SIM
    always `received`."""
    account_sid: str | None = None
    sim_sid: str | None = None
    command: str | None = None
    """Text, or Base64 in mode `binary`."""
    command_mode: CommandMode | None = None
    transport: Transport | None = None
    delivery_receipt_requested: bool | None = None
    direction: Direction | None = None
    date_created: datetime | None = None
    date_updated: datetime | None = None
    url: str | None = None


class CommandCreate(TypedDict):
    """Keywords of `create`."""

    command: str
    """Up to 160 characters of text, or 140 bytes as Base64 in mode `binary`."""
    sim: NotRequired[str]
    """SID or unique name of the Sim; optional in the documents, required by the vendors."""
    callback_method: NotRequired[HttpMethod]
    callback_url: NotRequired[str]
    """Called when the Command was sent, delivered, or failed."""
    command_mode: NotRequired[Literal["text", "binary"]]
    include_sid: NotRequired[Literal["none", "start", "end"]]
    """Whether the Command's SID is included; then fewer characters fit."""
    delivery_receipt_requested: NotRequired[bool]
    """Whether it goes on from `sent` to `delivered`; True at the vendors unless given."""


class CommandFilter(PageParams, total=False):
    """Keywords of `list`."""

    sim: str
    """Only Commands of this Sim, by SID or unique name."""
    status: KnownStatus
    direction: Literal["from_sim", "to_sim"]
    transport: Literal["sms", "ip"]


COMMANDS = Kind(
    noun="Command",
    product=Product.WIRELESS,
    path="/v1/Commands",
    key="commands",
    sid_prefix="DC",
    model=Command,
    create=CommandCreate,
    filters=CommandFilter,
    statuses=get_args(KnownStatus),
    pending=frozenset({"queued"}),
    failures=frozenset({"failed"}),
)

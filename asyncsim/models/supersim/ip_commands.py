"""The Super SIM IpCommand: a UDP message to or from a connected device.

Sources: both supersim_v1 documents; KORE docs, "IPCommand Resource".
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal, NotRequired, TypeAlias, TypedDict, get_args

from attrs import frozen

from asyncsim.kind import Kind
from asyncsim.models.common import HttpMethod, PageParams, VendorRecord
from asyncsim.vendors import Product

KnownStatus = Literal["queued", "sent", "received", "failed"]
IpCommandStatus: TypeAlias = KnownStatus | str
Direction: TypeAlias = Literal["to_sim", "from_sim"] | str
PayloadType: TypeAlias = Literal["text", "binary"] | str


@frozen(kw_only=True)
class IpCommand(VendorRecord):
    """An IpCommand as the vendor last reported it."""

    sid: str
    """HG and 32 hex digits."""
    status: IpCommandStatus | None = None
    """`queued`, then `sent`, or `failed` where the device is not attached; UDP confirms nothing.
    From a SIM always `received`."""
    account_sid: str | None = None
    sim_sid: str | None = None
    sim_iccid: str | None = None
    direction: Direction | None = None
    device_ip: str | None = None
    device_port: int | None = None
    payload_type: PayloadType | None = None
    payload: str | None = None
    """Text, or Base64 in type `binary`."""
    date_created: datetime | None = None
    date_updated: datetime | None = None
    url: str | None = None


class IpCommandCreate(TypedDict):
    """Keywords of `create`."""

    sim: str
    """SID or unique name of the Sim, which must be `ready` or `active` and attached."""
    payload: str
    """Up to 1300 bytes; Base64 of them in type `binary`."""
    device_port: int
    """Port the device listens on, 1 to 65535."""
    payload_type: NotRequired[Literal["text", "binary"]]
    callback_url: NotRequired[str]
    """Called when the Command was sent or has failed."""
    callback_method: NotRequired[HttpMethod]


class IpCommandFilter(PageParams, total=False):
    """Keywords of `list`."""

    sim: str
    """Only Commands of this Sim, by SID or unique name."""
    sim_iccid: str
    status: KnownStatus
    direction: Literal["to_sim", "from_sim"]


IP_COMMANDS = Kind(
    noun="IpCommand",
    product=Product.SUPERSIM,
    path="/v1/IpCommands",
    key="ip_commands",
    sid_prefix="HG",
    model=IpCommand,
    create=IpCommandCreate,
    filters=IpCommandFilter,
    statuses=get_args(KnownStatus),
    pending=frozenset({"queued"}),
    failures=frozenset({"failed"}),
    page_size_limits={"kore": 100},
)

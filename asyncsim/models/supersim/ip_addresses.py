"""Current IP addresses of a Super SIM. Read only. Sources: both supersim_v1 documents."""

from __future__ import annotations

from typing import Literal, TypeAlias

from attrs import frozen

from asyncsim.kind import Kind
from asyncsim.models.common import PageParams, VendorRecord
from asyncsim.models.supersim.sims import SIMS
from asyncsim.vendors import Product

IpVersion: TypeAlias = Literal["IPv4", "IPv6"] | str


@frozen(kw_only=True)
class IpAddress(VendorRecord):
    """One address."""

    ip_address: str | None = None
    ip_address_version: IpVersion | None = None


class IpAddressFilter(PageParams, total=False):
    """Keywords of `list`: pages only."""


IP_ADDRESSES = Kind(
    noun="IpAddress",
    product=Product.SUPERSIM,
    path="/v1/Sims/{parent}/IpAddresses",
    key="ip_addresses",
    model=IpAddress,
    filters=IpAddressFilter,
    parent=SIMS,
)

"""Networks that Super SIMs can connect to. Read only. Sources: both supersim_v1 documents."""

from __future__ import annotations

from attrs import frozen

from asyncsim.kind import Kind
from asyncsim.models.common import PageParams, VendorRecord
from asyncsim.vendors import Product


@frozen(kw_only=True)
class Identifier:
    """Mobile country code and mobile network code."""

    mcc: str | None = None
    mnc: str | None = None


@frozen(kw_only=True)
class Network(VendorRecord):
    """One operator's network in one country."""

    sid: str
    """HW and 32 hex digits."""
    friendly_name: str | None = None
    iso_country: str | None = None
    """Two letters, upper case here."""
    identifiers: tuple[Identifier, ...] | None = None
    url: str | None = None


class NetworkFilter(PageParams, total=False):
    """Keywords of `list`."""

    iso_country: str
    mcc: str
    mnc: str


NETWORKS = Kind(
    noun="Network",
    product=Product.SUPERSIM,
    path="/v1/Networks",
    key="networks",
    sid_prefix="HW",
    model=Network,
    filters=NetworkFilter,
)

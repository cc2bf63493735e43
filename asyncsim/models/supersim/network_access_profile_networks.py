"""The Networks of a NetworkAccessProfile. Sources: both supersim_v1 documents."""

from __future__ import annotations

from typing import TypedDict

from attrs import frozen

from asyncsim.kind import Kind
from asyncsim.models.common import PageParams, VendorRecord
from asyncsim.models.supersim.network_access_profiles import NETWORK_ACCESS_PROFILES
from asyncsim.models.supersim.networks import Identifier
from asyncsim.vendors import Product


@frozen(kw_only=True)
class NetworkAccessProfileNetwork(VendorRecord):
    """A Network as part of a profile; it keeps the Network's own SID."""

    sid: str
    """HW and 32 hex digits."""
    network_access_profile_sid: str | None = None
    friendly_name: str | None = None
    iso_country: str | None = None
    """Two letters, lower case here."""
    identifiers: tuple[Identifier, ...] | None = None
    url: str | None = None


class NetworkAccessProfileNetworkCreate(TypedDict):
    """Keywords of `create`."""

    network: str
    """SID of the Network to add."""


class NetworkAccessProfileNetworkFilter(PageParams, total=False):
    """Keywords of `list`: pages only."""


NETWORK_ACCESS_PROFILE_NETWORKS = Kind(
    noun="Network",
    product=Product.SUPERSIM,
    path="/v1/NetworkAccessProfiles/{parent}/Networks",
    key="networks",
    sid_prefix="HW",
    model=NetworkAccessProfileNetwork,
    create=NetworkAccessProfileNetworkCreate,
    filters=NetworkAccessProfileNetworkFilter,
    parent=NETWORK_ACCESS_PROFILES,
)

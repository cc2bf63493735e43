"""The NetworkAccessProfile: which networks the SIMs of a Fleet may use.

Sources: both supersim_v1 documents.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TypedDict

from attrs import field, frozen

from asyncsim.kind import Kind
from asyncsim.models.common import PageParams, VendorRecord
from asyncsim.vendors import Product


@frozen(kw_only=True)
class NetworkAccessProfile(VendorRecord):
    """A profile; its networks are a separate list."""

    sid: str
    """HA and 32 hex digits."""
    unique_name: str | None = None
    account_sid: str | None = None
    date_created: datetime | None = None
    date_updated: datetime | None = None
    url: str | None = None
    links: dict[str, str] | None = field(default=None, hash=False)


class NetworkAccessProfileCreate(TypedDict, total=False):
    """Keywords of `create`."""

    unique_name: str
    networks: Sequence[str]
    """SIDs of Networks."""


class NetworkAccessProfileUpdate(TypedDict, total=False):
    """Keywords of `update`."""

    unique_name: str | None


class NetworkAccessProfileFilter(PageParams, total=False):
    """Keywords of `list`: pages only."""


NETWORK_ACCESS_PROFILES = Kind(
    noun="NetworkAccessProfile",
    product=Product.SUPERSIM,
    path="/v1/NetworkAccessProfiles",
    key="network_access_profiles",
    sid_prefix="HA",
    model=NetworkAccessProfile,
    has_unique_names=True,
    create=NetworkAccessProfileCreate,
    update=NetworkAccessProfileUpdate,
    filters=NetworkAccessProfileFilter,
)

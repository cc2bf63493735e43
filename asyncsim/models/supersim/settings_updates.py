"""Over-the-air settings updates of Super SIMs, started by the vendor. Read only.

Sources: both supersim_v1 documents.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal, TypeAlias, get_args

from attrs import frozen

from asyncsim.kind import Kind
from asyncsim.models.common import PageParams, VendorRecord
from asyncsim.vendors import Product

KnownStatus = Literal["scheduled", "in-progress", "successful", "failed"]
SettingsUpdateStatus: TypeAlias = KnownStatus | str


@frozen(kw_only=True)
class SettingsPackage:
    """One package of settings."""

    name: str | None = None
    version: str | None = None
    more_info: str | None = None


@frozen(kw_only=True)
class SettingsUpdate(VendorRecord):
    """One update of one SIM; `date_completed` is set once it was successful."""

    sid: str
    """OB and 32 hex digits."""
    status: SettingsUpdateStatus | None = None
    iccid: str | None = None
    sim_sid: str | None = None
    packages: tuple[SettingsPackage, ...] | None = None
    date_completed: datetime | None = None
    date_created: datetime | None = None
    date_updated: datetime | None = None


class SettingsUpdateFilter(PageParams, total=False):
    """Keywords of `list`."""

    sim: str
    """Only updates of this Sim, by SID or unique name."""
    status: KnownStatus


SETTINGS_UPDATES = Kind(
    noun="SettingsUpdate",
    product=Product.SUPERSIM,
    path="/v1/SettingsUpdates",
    key="settings_updates",
    sid_prefix="OB",
    model=SettingsUpdate,
    filters=SettingsUpdateFilter,
    statuses=get_args(KnownStatus),
)

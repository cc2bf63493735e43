"""The DataSession: one connection of a SIM. Read only; up to 30 days back.

Sources: twilio_wireless_v1, kore_wireless_v1.
"""

from __future__ import annotations

from datetime import datetime

from attrs import frozen

from asyncsim.kind import Kind
from asyncsim.models.common import PageParams, VendorRecord
from asyncsim.models.wireless.sims import SIMS
from asyncsim.vendors import Product


@frozen(kw_only=True)
class CellLocation:
    """Estimated location of the cell, in degrees; both None if the vendor sends an empty object."""

    lat: float | None = None
    lon: float | None = None


@frozen(kw_only=True)
class DataSession(VendorRecord):
    """One session; `end` is None while it lasts."""

    sid: str
    """WN and 32 hex digits."""
    sim_sid: str | None = None
    account_sid: str | None = None
    radio_link: str | None = None
    """`4G LTE`, `3G`, ..."""
    operator_mcc: str | None = None
    operator_mnc: str | None = None
    operator_country: str | None = None
    operator_name: str | None = None
    cell_id: str | None = None
    cell_location_estimate: CellLocation | None = None
    packets_uploaded: int | None = None
    """Bytes, despite the name: between the last update and the start."""
    packets_downloaded: int | None = None
    last_updated: datetime | None = None
    start: datetime | None = None
    end: datetime | None = None
    imei: str | None = None


class DataSessionFilter(PageParams, total=False):
    """Keywords of `list`: pages only."""


DATA_SESSIONS = Kind(
    noun="DataSession",
    product=Product.WIRELESS,
    path="/v1/Sims/{parent}/DataSessions",
    key="data_sessions",
    sid_prefix="WN",
    model=DataSession,
    filters=DataSessionFilter,
    parent=SIMS,
)

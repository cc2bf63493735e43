"""Written functions read what is as documented as the lenient way does, and refuse the rest."""

from __future__ import annotations

from typing import Any

import pytest

from asyncsim.models.supersim.sims import Sim
from asyncsim.models.supersim.usage_records import UsageRecord
from asyncsim.models.wireless.sims import Sim as WirelessSim
from asyncsim.vendors import KORE, TWILIO, Vendor
from asyncsim.wire import records
from asyncsim.wire.lenient import structure
from asyncsim.wire.quick import quick_reader

SIM = {
    "sid": "HS" + "1" * 32,
    "unique_name": None,
    "account_sid": "AC" + "a" * 32,
    "iccid": "89883070000123456789",
    "status": "active",
    "fleet_sid": "HF" + "b" * 32,
    "date_created": "2015-07-30T20:00:00Z",
    "date_updated": "2015-07-30T20:00:00.123+02:00",
    "url": "https://supersim.twilio.com/v1/Sims/HS",
    "links": {"billing_periods": "https://supersim.twilio.com/v1/Sims/HS/BillingPeriods"},
}


def quick(row: Any) -> Sim:
    read = quick_reader(Sim, TWILIO)
    assert read is not None
    return read(row)


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in SIM.items() if key != name}


@pytest.mark.parametrize(
    "row",
    [
        SIM,
        {**SIM, "status": "a-status-of-tomorrow"},
        {**SIM, "a_field_of_tomorrow": [1, {"a": 2}]},
        {**SIM, "date_created": None, "links": None},
        without("links"),
        without("date_updated"),
        {"sid": "HS1", "status": "new"},
    ],
)
def test_what_is_as_documented_is_read_as_the_lenient_way_reads_it(row: dict[str, Any]) -> None:
    assert quick(row) == structure(Sim, row, TWILIO)


@pytest.mark.parametrize(
    "row",
    [
        without("sid"),
        {**SIM, "sid": None},
        {**SIM, "status": 1},
        {**SIM, "iccid": 89883070000123456789},
        {**SIM, "date_created": "yesterday"},
        {**SIM, "date_created": 5},
        {**SIM, "links": {"a": 1}},
        {**SIM, "links": ["a"]},
    ],
)
def test_everything_else_is_refused(row: dict[str, Any]) -> None:
    with pytest.raises((ValueError, KeyError)):
        quick(row)


def test_what_is_refused_is_read_leniently() -> None:
    sim = records.decode(Sim, {**SIM, "iccid": 89883070000123456789}, TWILIO)
    assert sim.iccid == "89883070000123456789"


def test_numbers_are_not_for_it() -> None:
    assert quick_reader(UsageRecord, TWILIO) is None


@pytest.mark.parametrize("vendor", [TWILIO, KORE], ids=lambda one: one.name)
@pytest.mark.parametrize(
    "spelled",
    [{"eid": "1"}, {"e_id": "1"}, {"e_id": None}, {}, {"eid": "1", "e_id": "2"}],
    ids=str,
)
def test_a_field_is_found_however_it_is_spelled(vendor: Vendor, spelled: dict[str, Any]) -> None:
    row = {"sid": "DE" + "1" * 32, "status": "new", **spelled}
    read = quick_reader(WirelessSim, vendor)
    assert read is not None
    assert read(row) == structure(WirelessSim, row, vendor)

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, strategies as st

from asyncsim.errors import DecodeError
from asyncsim.models.monitor.events import Event
from asyncsim.models.supersim.esim_profiles import ESimProfile
from asyncsim.models.supersim.fleets import Fleet
from asyncsim.models.supersim.ip_commands import IpCommand
from asyncsim.models.supersim.settings_updates import SettingsUpdate
from asyncsim.models.supersim.sims import Sim as SuperSim
from asyncsim.models.supersim.sms_commands import SmsCommand
from asyncsim.models.supersim.usage_records import UsageRecord
from asyncsim.models.wireless.commands import Command
from asyncsim.models.wireless.data_sessions import CellLocation, DataSession
from asyncsim.models.wireless.rate_plans import RatePlan
from asyncsim.models.wireless.sims import Sim
from asyncsim.models.wireless.usage_records import AccountUsageRecord, Period
from asyncsim.vendors import KORE, TWILIO, Vendor
from asyncsim.wire import records

MODELS: list[Any] = [
    Sim,
    SuperSim,
    RatePlan,
    Fleet,
    DataSession,
    AccountUsageRecord,
    UsageRecord,
    Event,
]
DEEP: Any = json.loads('{"a":' * 100 + "1" + "}" * 100)
LEAST = {"sid": "DE1", "status": "new"}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
FIELDS = sorted({name for model in MODELS for name in model.__annotations__} | {"e_id"})


def test_an_undocumented_field_is_ignored() -> None:
    assert records.decode(Sim, {**LEAST, "colour": "red"}, TWILIO) == Sim(sid="DE1", status="new")


def test_an_undocumented_status_stays_a_string() -> None:
    assert records.decode(SuperSim, {"sid": "HS1", "status": "asleep"}, KORE).status == "asleep"


@pytest.mark.parametrize("more", [{}, {"status": None}], ids=["absent", "null"])
def test_every_field_but_the_sid_may_be_missing(more: dict[str, Any]) -> None:
    models: list[Any] = [Sim, SuperSim, Command, SmsCommand, IpCommand, ESimProfile, SettingsUpdate]
    for model in models:
        assert records.decode(model, {"sid": "XX1", **more}, KORE).status is None


def test_an_iccid_sent_as_an_integer_is_decoded_as_its_digits() -> None:
    sim = records.decode(
        SuperSim, {"sid": "HS1", "status": "new", "iccid": 8988307000012345678}, KORE
    )
    assert sim.iccid == "8988307000012345678"


@pytest.mark.parametrize("vendor", [TWILIO, KORE], ids=["twilio", "kore"])
@pytest.mark.parametrize("spelling", ["eid", "e_id"])
def test_the_eid_is_decoded_in_either_spelling(vendor: Vendor, spelling: str) -> None:
    assert records.decode(Sim, {**LEAST, spelling: "890330"}, vendor).eid == "890330"


def test_the_vendors_own_spelling_wins_over_the_other() -> None:
    assert records.decode(Sim, {**LEAST, "eid": "other", "e_id": "own"}, TWILIO).eid == "own"


def test_each_vendor_gets_its_own_spelling_and_fields() -> None:
    sim = Sim(sid="DE1", status="new", eid="890330")
    assert records.encode(sim, TWILIO)["e_id"] == "890330"
    assert records.encode(sim, KORE)["eid"] == "890330"
    plan = RatePlan(sid="WP1", data_limit_strategy="block")
    assert "data_limit_strategy" not in records.encode(plan, TWILIO)
    assert records.encode(plan, KORE)["data_limit_strategy"] == "block"


def test_nulls_are_encoded() -> None:
    assert records.encode(SuperSim(sid="HS1", status="new"), TWILIO)["fleet_sid"] is None


@pytest.mark.parametrize(
    ("model", "value", "said"),
    [
        (Sim, [], "cannot read Sim: expected an object, got list"),
        (Sim, {"status": "new"}, "Sim: .*sid"),
        (Sim, {"sid": None, "status": "new"}, "expected text, got None"),
        (Sim, {**LEAST, "iccid": 8.9e19}, r"Sim DE1: expected text, got 8.9e\+19.*iccid"),
        (Sim, {**LEAST, "status": ["new"]}, "Sim DE1: expected text"),
        (Sim, {**LEAST, "date_created": "soon"}, "Sim DE1: .*soon.*date_created"),
        (Sim, {**LEAST, "date_created": 1438286400}, "expected a date-time, got int.*date_created"),
        (Sim, {**LEAST, "links": ["a"]}, "Sim DE1: .*links"),
        (Sim, {**LEAST, "links": {"a": 1.5}}, "expected text, got 1.5"),
        (Sim, {**LEAST, "url": {}}, "expected text, got {}.*url"),
        (Sim, {**LEAST, "rate_plan_sid": False}, "expected text, got False"),
        (RatePlan, {"sid": "WP1", "data_limit": "a lot"}, "expected an integer"),
        (RatePlan, {"sid": "WP1", "data_limit": True}, "expected an integer, got True"),
        (RatePlan, {"sid": "WP1", "data_limit": 1.5}, "expected an integer, got 1.5"),
        (RatePlan, {"sid": "WP1", "data_limit": float("nan")}, "expected an integer, got nan"),
        (RatePlan, {"sid": "WP1", "data_enabled": 1}, "expected true or false, got 1"),
        (DataSession, {"sid": "WN1", "cell_location_estimate": 5}, "expected an object, got 5"),
        (DataSession, {"sid": "WN1", "cell_location_estimate": {"lat": "x"}}, "expected a number"),
        (DataSession, {"sid": "WN1", "cell_location_estimate": {"lat": float("inf")}}, "got inf"),
        (DataSession, {"sid": "WN1", "cell_location_estimate": {"lat": "1e999"}}, "got '1e999'"),
        (UsageRecord, {"data_total_billed": float("nan")}, "expected an amount, got nan"),
        (Event, {"sid": "AE1", "event_data": DEEP}, "nested too deeply.*event_data"),
        (
            RatePlan,
            {"sid": "WP1", "international_roaming": "data"},
            "expected a list, got 'data'",
        ),
    ],
)
def test_a_wrong_value_is_a_decode_error_that_names_record_field_and_value(
    model: Any, value: Any, said: str
) -> None:
    with pytest.raises(DecodeError, match=said):
        records.decode(model, value, TWILIO)


@pytest.mark.parametrize(
    ("model", "name", "given", "found"),
    [
        (Sim, "links", {"rate_plan": None, "a": "b"}, {"a": "b"}),
        (Sim, "links", [], {}),
        (Sim, "unique_name", 7, "7"),
        (Sim, "unique_name", "", ""),
        (Sim, "date_created", "", None),
        (Sim, "iccid", 89883070000123456789, "89883070000123456789"),
        (RatePlan, "data_limit", "1000", 1000),
        (RatePlan, "data_limit", " -1000 ", -1000),
        (RatePlan, "data_limit", 1000.0, 1000),
        (RatePlan, "data_limit", "", None),
        (RatePlan, "data_enabled", "True", True),
        (RatePlan, "data_enabled", "false", False),
        (DataSession, "cell_location_estimate", {}, CellLocation()),
        (DataSession, "cell_location_estimate", [], CellLocation()),
        (DataSession, "cell_location_estimate", None, None),
        (
            DataSession,
            "cell_location_estimate",
            {"lat": "1.5", "lon": 2},
            CellLocation(lat=1.5, lon=2.0),
        ),
        (AccountUsageRecord, "period", {}, Period()),
        (UsageRecord, "data_total_billed", "1.10", Decimal("1.10")),
        (UsageRecord, "data_total_billed", 1.1, Decimal("1.1")),
        (UsageRecord, "data_total_billed", "", None),
        (UsageRecord, "data_upload", "5000000000", 5_000_000_000),
        (IpCommand, "device_port", "8080", 8080),
        (ESimProfile, "error_code", 83401, "83401"),
    ],
)
def test_an_unambiguous_value_in_another_form_is_decoded(
    model: Any, name: str, given: Any, found: Any
) -> None:
    record = records.decode(model, {"sid": "XX1", name: given}, TWILIO)
    assert getattr(record, name) == found
    assert type(getattr(record, name)) is type(found)


def test_an_unreadable_record_is_named_by_its_sid() -> None:
    with pytest.raises(DecodeError) as caught:
        records.decode(SuperSim, {"sid": "HS" + "1" * 32, "url": {}}, TWILIO)
    assert caught.value.sid == "HS" + "1" * 32
    for sid in (None, 7, "", "a\x1b[2J", "x" * 1000):
        with pytest.raises(DecodeError, match="cannot read Sim: ") as caught:
            records.decode(SuperSim, {"sid": sid, "url": {}}, TWILIO)
        assert caught.value.sid is None


def test_a_long_wrong_value_is_shortened_in_the_message() -> None:
    with pytest.raises(DecodeError) as caught:
        records.decode(Sim, {**LEAST, "iccid": ["x" * 10_000]}, TWILIO)
    assert len(str(caught.value)) < 300


@given(
    model=st.sampled_from(MODELS),
    vendor=st.sampled_from([TWILIO, KORE]),
    value=JSON | st.dictionaries(st.sampled_from(FIELDS), JSON),
)
def test_any_json_gives_a_record_or_a_decode_error(model: Any, vendor: Vendor, value: Any) -> None:
    try:
        record = records.decode(model, value, vendor)
    except DecodeError:
        return
    assert isinstance(record, model)


# Neither vendor sends fractions of a second, and years have four digits.
MOMENTS = st.datetimes(datetime(1000, 1, 1), datetime(9999, 1, 1)).map(
    lambda moment: moment.replace(microsecond=0, tzinfo=UTC)
)
NAMES = st.none() | st.text()


@given(
    sim=st.builds(
        Sim,
        sid=st.text(),
        status=st.text(),
        unique_name=NAMES,
        eid=NAMES,
        date_created=st.none() | MOMENTS,
        links=st.none() | st.dictionaries(st.text(), st.text()),
    ),
    vendor=st.sampled_from([TWILIO, KORE]),
)
def test_a_record_survives_encoding_and_decoding_at_either_vendor(sim: Sim, vendor: Vendor) -> None:
    assert records.decode(Sim, records.encode(sim, vendor), vendor) == sim

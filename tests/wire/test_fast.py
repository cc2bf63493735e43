"""The fast way of decoding: same records as the lenient way, or None."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any

import attrs
import pytest

from asyncsim.errors import DecodeError
from asyncsim.models.supersim.fleets import Fleet
from asyncsim.models.supersim.sims import SIMS, Sim
from asyncsim.models.supersim.usage_records import UsageRecord
from asyncsim.models.wireless.data_sessions import DataSession
from asyncsim.models.wireless.sims import Sim as WirelessSim
from asyncsim.vendors import KORE, TWILIO, Vendor
from asyncsim.wire import fast, records

ROW: dict[str, Any] = {
    "sid": "HS" + "0" * 32,
    "status": "active",
    "unique_name": None,
    "iccid": "89883070000123456789",
    "date_created": "2015-07-30T20:00:00Z",
    "date_updated": "2015-07-30T20:00:00.250+02:00",
    "links": {"billing_periods": "https://supersim.twilio.com/v1/Sims/HS0/BillingPeriods"},
}


def body(**changes: Any) -> bytes:
    return json.dumps({**ROW, **changes}).encode()


def page(*rows: dict[str, Any], **meta: Any) -> bytes:
    return json.dumps({"sims": rows, "meta": {"key": "sims", **meta}}).encode()


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"status": "thinking"},
        {"added_later": [1, {"a": None}]},
        {"date_created": None},
        {"status": None},
        {"links": None},
    ],
    ids=["as documented", "a new status", "a new field", "a null", "no status", "no links"],
)
def test_documented_rows_decode_as_in_the_lenient_way(changes: dict[str, Any]) -> None:
    found = fast.record_reader(Sim, TWILIO)(body(**changes))
    assert found == records.decode(Sim, {**ROW, **changes}, TWILIO)


@pytest.mark.parametrize(
    "changes",
    [
        {"iccid": 89883070000123456},
        {"date_created": "2015-07-30T20:00:00"},
        {"date_created": "yesterday"},
        {"date_created": "2015-07-30"},
        {"date_created": 7},
        {"sid": None},
        {"status": 1},
        {"links": {"a": 1}},
        {"links": ["a"]},
    ],
    ids=str,
)
def test_other_rows_are_left_to_the_lenient_way(changes: dict[str, Any]) -> None:
    assert fast.record_reader(Sim, TWILIO)(body(**changes)) is None
    assert fast.page_reader(Sim, "sims", TWILIO)(page(ROW, {**ROW, **changes})) is None


def test_a_record_without_its_sid_is_left_to_the_lenient_way() -> None:
    assert fast.record_reader(Sim, TWILIO)(b'{"status": "new"}') is None


def test_malformed_json_is_left_to_the_lenient_way() -> None:
    for text in (b"", b"<html>", b"[1, 2]", b"\xff"):
        assert fast.record_reader(Sim, TWILIO)(text) is None
        assert fast.status_page_reader("sims")(text) is None


WIRELESS: dict[str, Any] = {"sid": "DE" + "0" * 32, "status": "new", "links": {"a": "b"}}


@pytest.mark.parametrize("vendor", [TWILIO, KORE], ids=lambda one: one.name)
@pytest.mark.parametrize(
    "spelled",
    [{"eid": "1"}, {"e_id": "1"}, {"e_id": None}, {}, {"unique_name": "a:e_id:b"}],
    ids=str,
)
def test_a_field_is_decoded_in_either_spelling(vendor: Vendor, spelled: dict[str, Any]) -> None:
    row = {**WIRELESS, **spelled}
    decoded = records.decode(WirelessSim, row, vendor)
    for separators in ((",", ":"), (", ", ": ")):
        text = json.dumps(row, separators=separators).encode()
        assert fast.record_reader(WirelessSim, vendor)(text) == decoded
    found = fast.page_reader(WirelessSim, "sims", vendor)(page(row, row))
    assert found is not None
    assert list(found.rows) == [decoded] * 2


@pytest.mark.parametrize("vendor", [TWILIO, KORE], ids=lambda one: one.name)
@pytest.mark.parametrize(
    "text",
    [
        b'{"sid": "DE0", "eid": "1", "e_id": "2"}',
        b'{"sid": "DE0", "e_id": "2", "eid": "1"}',
        b'{"sid": "DE0", "e_id": null, "eid": "1"}',
        b'{"sid": "DE0", "e_id": "2", "eid": null}',
        b'{"sid": "DE0", "e_id" : "1", "unique_name": "e_id"}',
    ],
    ids=lambda one: str(one[15:]),
)
def test_the_vendors_own_spelling_wins_in_any_order(vendor: Vendor, text: bytes) -> None:
    found = fast.record_reader(WirelessSim, vendor)(text)
    assert found == records.decode(WirelessSim, json.loads(text), vendor)
    assert type(found) is WirelessSim


def test_a_record_is_frozen_hashable_and_copyable_like_any_other() -> None:
    text = json.dumps({**WIRELESS, "e_id": "1"}).encode()
    found = fast.record_reader(WirelessSim, TWILIO)(text)
    made = WirelessSim(**WIRELESS, eid="1")
    assert (found, hash(found), repr(found)) == (made, hash(made), repr(made))
    assert pickle.loads(pickle.dumps(found)) == attrs.evolve(made) == copy.copy(found)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        found.eid = "2"  # type: ignore[misc,union-attr]  # on purpose
    assert not hasattr(found, "e_id")


def test_numbers_and_nested_records_are_left_to_the_lenient_way() -> None:
    for model in (UsageRecord, Fleet, DataSession):
        assert fast.record_reader(model, TWILIO)(b'{"sid": "XX1"}') is None
        assert fast.page_reader(model, "rows", TWILIO)(b'{"rows": [], "meta": {}}') is None


def test_a_page_decodes_as_in_the_lenient_way() -> None:
    text = page(ROW, ROW, next_page_url="https://supersim.twilio.com/v1/Sims?Page=1")
    found = fast.page_reader(Sim, SIMS.key, TWILIO)(text)
    assert found is not None
    assert list(found.rows) == [records.decode(Sim, ROW, TWILIO)] * 2
    assert found.next_query == "Page=1"


def test_a_page_can_be_decoded_for_its_statuses_alone() -> None:
    found = fast.status_page_reader("sims")(page(ROW, {**ROW, "iccid": 7}))
    assert found is not None
    assert [(row.sid, row.status) for row in found.rows] == [(ROW["sid"], ROW["status"])] * 2
    assert found.next_page_url is None


def test_an_invalid_next_page_url_does_not_affect_the_rows_of_its_page() -> None:
    found = fast.status_page_reader("sims")(page(ROW, next_page_url="https://[half"))
    assert found is not None
    assert len(found.rows) == 1
    with pytest.raises(DecodeError, match="next_page_url"):
        assert found.next_query


def test_a_page_can_be_split_into_its_rows() -> None:
    rows = fast.row_splitter("sims")(page(ROW, {**ROW, "date_created": 7}))
    assert [json.loads(bytes(row)) for row in rows] == [ROW, {**ROW, "date_created": 7}]

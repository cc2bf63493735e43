"""Records as tables: columns, values, Arrow."""

from __future__ import annotations

import enum
import sys
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, Literal

import nanoarrow
import pytest
from attrs import field, frozen

from asyncsim import BadRecord, DecodeError, Page, tables
from asyncsim.models.supersim.sims import Sim
from asyncsim.models.supersim.usage_records import UsageRecord

SID = "HS" + "0a" * 16
ICCID = "89883070000012345672"


class Colour(enum.StrEnum):
    RED = "red"


@frozen
class Part:
    size: int


@frozen(kw_only=True)
class Everything:
    text: str | None = None
    status: Literal["new", "ready"] | str | None = None
    colour: Colour | None = None
    time: datetime | None = None
    count: int | None = None
    share: float | None = None
    price: Decimal | None = None
    on: bool | None = None
    links: dict[str, str] | None = None
    parts: tuple[Part, ...] | None = None
    secret: str | None = field(default=None, repr=False)


FULL = Everything(
    text=ICCID,
    status="odd",
    colour=Colour.RED,
    time=datetime(2026, 11, 29, 6, tzinfo=timezone(timedelta(hours=2))),
    count=2**40,
    share=0.5,
    price=Decimal("0.0025"),
    on=True,
    links={"a": "ü"},
    parts=(Part(1),),
    secret="never shown",
)


def read(page: Page[Any]) -> nanoarrow.Array:
    return nanoarrow.ArrayStream(page).read_all()


def test_columns_follow_from_the_type_hints() -> None:
    found = {one.name: one.type for one in tables.columns_of(Everything)}
    assert found == {
        "text": "text",
        "status": "category",
        "colour": "category",
        "time": "time",
        "count": "integer",
        "share": "number",
        "price": "amount",
        "on": "truth",
        "links": "json",
        "parts": "json",
    }
    by_name = {one.name: one for one in tables.columns_of(Everything)}
    assert by_name["status"].categories == ("new", "ready")
    assert by_name["colour"].categories == ("red",)


def test_identifiers_are_text_and_statuses_categories() -> None:
    found = {one.name: one.type for one in tables.columns_of(Sim)}
    assert (found["sid"], found["iccid"], found["status"]) == ("text", "text", "category")
    assert found["date_created"] == "time"


def test_every_type_goes_through_arrow_with_its_missing_values() -> None:
    rows = read(Page((FULL, Everything()), False)).to_pylist()
    assert rows[0] == {
        "text": ICCID,
        "status": "odd",
        "colour": "red",
        "time": datetime(2026, 11, 29, 4, tzinfo=UTC),
        "count": 2**40,
        "share": 0.5,
        "price": Decimal("0.0025"),
        "on": True,
        "links": '{"a": "ü"}',
        "parts": '[{"size": 1}]',
    }
    assert set(rows[1].values()) == {None}


def test_an_empty_page_keeps_its_columns_and_types() -> None:
    full, empty = read(Page((FULL,), False)), read(Page((), False, model=Everything))
    assert len(empty) == 0
    assert repr(empty.schema) == repr(full.schema)
    assert "timestamp('us', 'UTC')" in repr(empty.schema)


def test_amounts_keep_ten_places() -> None:
    rows = read(Page((UsageRecord(data_total_billed=Decimal("1.23456789012")),), False)).to_pylist()
    assert rows[0]["data_total_billed"] == Decimal("1.2345678901")


def test_dictionaries_have_the_values_themselves() -> None:
    (found,) = Page((FULL,), False).to_dicts()
    assert found["time"] is FULL.time
    assert found["price"] == Decimal("0.0025")
    assert found["links"] == {"a": "ü"}
    assert found["parts"] == [{"size": 1}]
    assert "secret" not in found


def test_a_table_has_the_readable_records() -> None:
    bad = BadRecord(0, {}, DecodeError("Sim", "no sid"))
    page = Page((Sim(sid=SID),), False, (bad,), stop=0)
    assert [one["sid"] for one in page.to_dicts()] == [SID]


def test_half_a_surrogate_pair_does_not_spoil_a_table() -> None:
    rows = read(Page((Sim(sid=SID, unique_name="a\ud800b"),), False)).to_pylist()
    assert rows[0]["unique_name"] == "a?b"


@pytest.mark.parametrize(
    "record",
    [
        UsageRecord(data_total=2**64),
        UsageRecord(data_total_billed=Decimal(10**40)),
        UsageRecord(data_total_billed=Decimal("1E+9999")),
    ],
)
def test_a_value_that_is_too_large_is_named(record: UsageRecord) -> None:
    with pytest.raises(ValueError, match=r"data_total\w* is too large for a table: use to_dicts"):
        read(Page((record,), False))
    assert len(Page((record,), False).to_dicts()) == 1


def test_records_without_fields_are_no_table() -> None:
    with pytest.raises(TypeError, match="not int objects"):
        Page((1, 2), False).to_dicts()


@pytest.mark.parametrize(
    ("missing", "act", "advice"),
    [
        ("nanoarrow", lambda page: page.__arrow_c_stream__(), r'"asyncsim\[frames\]"'),
        ("polars", lambda page: page.to_polars(), "pip install polars"),
        ("pandas", lambda page: page.to_pandas(), "pip install pandas"),
    ],
)
def test_a_missing_library_is_named(
    missing: str, act: Any, advice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ModuleNotFoundError, match=advice):
        act(Page((Sim(sid=SID),), False))

from __future__ import annotations

import enum
import numbers
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from attrs import define

from asyncsim.models.supersim.sims import Sim
from tests.bulk.input.reads import ACTIVE, ICCID, OTHER, SID, read_rows

NAN = float("nan")


class Status(enum.StrEnum):
    ACTIVE = "active"


@define
class Request:
    iccid: str
    status: str | None
    note: str = ""


async def test_names_may_have_any_type() -> None:
    found = await read_rows([SID, ICCID, int(OTHER), "van 7"], change=ACTIVE)
    assert found.names == [
        (1, "sid", SID),
        (2, "iccid", ICCID),
        (3, "iccid", OTHER),
        (4, "unique_name", "van 7"),
    ]
    assert [row.cells for row in found.rows] == [None] * 4
    assert found.reading.header is None


async def test_integers_of_other_libraries_are_exact() -> None:
    @numbers.Integral.register
    class Int64:
        def __str__(self) -> str:
            return ICCID

    found = await read_rows([Int64()], change=ACTIVE)
    assert found.names == [(1, "iccid", ICCID)]
    found = await read_rows([{"iccid": Int64(), "unique_name": Int64()}])
    assert found.changes == [{"unique_name": ICCID}]


async def test_mapping_keys_are_columns() -> None:
    rows = [
        {"SIM ICCID": ICCID, "Status": "Active", "note": 7},
        {"SIM ICCID": int(OTHER), "Status": Status.ACTIVE},
    ]
    found = await read_rows(rows)
    assert found.problems == []
    assert found.changes == [ACTIVE, ACTIVE]
    assert found.reading.header == ("SIM ICCID", "Status", "note")
    assert [row.cells for row in found.rows] == [(ICCID, "Active", "7"), (OTHER, "active", "")]


async def test_none_clears_a_field_and_omitted_fields_stay() -> None:
    rows: list[dict[str, Any]] = [
        {"sid": SID, "fleet": None, "status": "active"},
        {"sid": SID, "status": "active"},
        {"sid": SID, "fleet": "", "status": "active"},
        {"sid": SID, "fleet": NAN, "status": "active"},
    ]
    found = await read_rows(rows)
    assert found.changes == [{"fleet": None, **ACTIVE}, ACTIVE, ACTIVE, ACTIVE]
    assert found.rows[0].cells == (SID, "", "active")


async def test_clearing_a_required_field_is_reported() -> None:
    (problem,) = (await read_rows([{"sid": SID, "status": None}])).problems
    assert problem.startswith("row 1: status cannot be cleared")


@pytest.mark.parametrize(
    "row", [{"iccid": float(ICCID)}, float(ICCID), {"iccid": 8.99e19}, {"sid": None, "iccid": 1.0}]
)
async def test_floats_are_rejected_with_advice_to_keep_all_digits(row: Any) -> None:
    (problem,) = (await read_rows([row], change=ACTIVE)).problems
    assert "cannot hold all digits of an ICCID" in problem
    assert "dtype=str" in problem


@pytest.mark.parametrize("missing", [None, "", " ", NAN])
async def test_a_missing_name_falls_back_to_the_next(missing: Any) -> None:
    found = await read_rows([{"sid": missing, "iccid": ICCID}], change=ACTIVE)
    assert found.names == [(1, "iccid", ICCID)]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"sid": SID, "status": True}, "True cannot be sent; pass text"),
        ({"sid": SID, "status": 1.5}, "1.5 cannot be sent"),
        ({"sid": SID, "status": ["active"]}, "['active'] cannot be sent"),
        ({"sid": True, "status": "active"}, "named by text, not by True"),
        ({"sid": b"HS", "status": "active"}, "named by text, not by b'HS'"),
        ({"sid": SID, 7: "active"}, "keys must be text, not 7"),
        ({"sid": SID, "status": "a\ud800"}, "cannot be written as UTF-8"),
        ({"sid": SID, "status": "active", "note": "a\ud800"}, "cannot be written as UTF-8"),
        (True, "True is not a row"),
        (None, "None is not a row"),
        ((SID, ACTIVE), "is not a row; pass a name, a mapping or an attrs record"),
    ],
)
async def test_each_problem_of_a_row_is_reported(row: Any, message: str) -> None:
    (problem, *_) = (await read_rows([row])).problems
    assert problem.startswith("row 1: ")
    assert message in problem


async def test_numbers_are_sent_as_text() -> None:
    found = await read_rows([{"iccid": ICCID, "friendly_name": 7}], product="wireless")
    assert found.changes == [{"friendly_name": "7"}]


async def test_mixed_row_types_are_reported() -> None:
    rows = [{"sid": SID}, ICCID, {"sid": SID, "iccid": ICCID}]
    assert (await read_rows(rows, change=ACTIVE)).problems == [
        f"row 2: '{ICCID}' is not of the same type as the rows before it",
        "row 3: the rows before have no 'iccid'; the first row must have all keys",
    ]


async def test_vendor_records_are_only_names() -> None:
    sim = Sim(sid=SID, status="new", iccid=ICCID, fleet_sid="HF", date_created=datetime.now(UTC))
    found = await read_rows([sim], change=ACTIVE)
    assert found.names == [(1, "sid", SID)]
    assert (found.changes, found.reading.applied, found.reading.notes) == ([None], (), ())
    (problem,) = (await read_rows([sim])).problems
    assert problem.startswith("no change is given")


async def test_only_named_columns_of_attrs_records_are_applied() -> None:
    rows = [Request(ICCID, "active", "x"), Request(OTHER, None)]
    found = await read_rows(rows, columns=["status"])
    assert found.changes == [ACTIVE]
    assert found.problems == ["row 2: status cannot be cleared; leave it out to keep it as it is"]
    assert found.reading.header == ("iccid", "status", "note")


async def test_sync_and_async_generators_are_read() -> None:
    def names() -> Iterator[str]:
        yield from (SID, ICCID)

    async def more() -> AsyncIterator[str]:
        for name in names():
            yield name

    plain, other = await read_rows(names(), change=ACTIVE), await read_rows(more(), change=ACTIVE)
    assert plain.rows == other.rows
    assert plain.reading.digest == other.reading.digest


@pytest.mark.parametrize("count", [999, 1000, 1001, 2000])
async def test_rows_come_in_batches_of_a_thousand(count: int) -> None:
    from asyncsim.bulk.job import Job

    async def names() -> AsyncIterator[str]:
        for number in range(count):
            yield f"van {number}"

    job = Job.from_rows(names(), product="supersim", change=ACTIVE)
    reading = job.read()
    sizes = [len(batch) async for batch in reading.batches()]
    assert sum(sizes) == reading.rows == count
    assert max(sizes) <= 1000
    assert len(sizes) == (count + 999) // 1000


async def test_an_error_in_the_iterable_is_raised() -> None:
    def names() -> Iterator[str]:
        yield SID
        raise LookupError("the database is gone")

    with pytest.raises(LookupError, match="gone"):
        await read_rows(names(), change=ACTIVE)


async def test_no_rows_are_a_problem() -> None:
    assert (await read_rows([], change=ACTIVE)).problems == ["rows names no SIM"]


async def test_a_malformed_row_does_not_define_the_columns() -> None:
    found = await read_rows([7.5, {"sid": SID}], change=ACTIVE)
    assert found.names == [(2, "sid", SID)]
    assert len(found.problems) == 1


async def test_any_number_of_distinct_changes_is_read() -> None:
    rows = ({"sid": SID, "unique_name": f"van {number}"} for number in range(10_500))
    found = await read_rows(rows)
    assert found.problems == []
    assert found.changes[-1] == {"unique_name": "van 10499"}

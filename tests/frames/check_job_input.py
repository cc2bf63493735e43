"""Data frames as the input of a job."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO, StringIO
from typing import Any

import duckdb
import narwhals
import pandas as pd
import polars as pl
import pytest

from asyncsim.bulk import Job
from tests.bulk.input.reads import ACTIVE, ICCID, OTHER, SID, read_rows

COLUMNS: dict[str, list[str | None]] = {
    "SIM ICCID": [ICCID, OTHER],
    "Status": ["Active", "active"],
    "fleet": ["spare", None],
    "note": [None, "kept"],
}


def duckdb_relation(columns: dict[str, list[str | None]]) -> duckdb.DuckDBPyRelation:
    def literal(value: str | None) -> str:
        return "NULL" if value is None else f"'{value}'"

    rows = ", ".join(
        f"({', '.join(map(literal, row))})" for row in zip(*columns.values(), strict=True)
    )
    names = ", ".join(f'"{name}"' for name in columns)
    return duckdb.sql(f"SELECT * FROM (VALUES {rows}) AS sims({names})")


MAKERS: dict[str, Callable[[Any], Any]] = {
    "pandas": pd.DataFrame,
    "pandas with NA": lambda columns: pd.DataFrame(columns).convert_dtypes(),
    "pandas with an index": lambda columns: pd.DataFrame(columns).set_index("SIM ICCID"),
    "pandas with categories": lambda columns: pd.DataFrame(columns).astype("category"),
    "polars": pl.DataFrame,
    "polars with categories": lambda columns: pl.DataFrame(columns).with_columns(
        pl.col("Status").cast(pl.Categorical)
    ),
    "narwhals of polars": lambda columns: narwhals.from_native(pl.DataFrame(columns)),
    "narwhals of pandas": lambda columns: narwhals.from_native(pd.DataFrame(columns)),
    "duckdb": lambda columns: duckdb_relation(columns),
}


@pytest.mark.parametrize("maker", MAKERS)
async def test_a_frame_is_read_as_a_file_is(maker: str) -> None:
    found = await read_rows(MAKERS[maker](COLUMNS))
    assert found.problems == []
    assert found.names == [(1, "iccid", ICCID), (2, "iccid", OTHER)]
    assert found.changes == [{"fleet": "spare", **ACTIVE}, ACTIVE]
    assert [row.cells for row in found.rows] == [
        (ICCID, "Active", "spare", ""),
        (OTHER, "active", "", "kept"),
    ]


@pytest.mark.parametrize("maker", ["pandas", "polars", "duckdb"])
async def test_a_frame_can_be_read_again(maker: str) -> None:
    job = Job.from_rows(MAKERS[maker](COLUMNS), product="supersim")
    passes = [[row async for batch in job.read().batches() for row in batch] for _ in range(2)]
    assert passes[0] == passes[1] != []


async def test_with_a_change_the_columns_are_only_copied() -> None:
    frame = pl.DataFrame({"sid": [SID], "status": ["new"], "date_created": ["2026-01-01"]})
    found = await read_rows(frame, change=ACTIVE)
    assert found.names == [(1, "sid", SID)]
    assert found.changes == [None]


CSV = f"iccid,status\n{ICCID},active\n"
NUMBERS = {
    "pandas reads 19 digits": lambda: pd.read_csv(StringIO(CSV)),
    "pandas has 20 digits": lambda: pd.DataFrame({"iccid": [int(OTHER)]}),
    "pandas reads an empty cell": lambda: pd.read_csv(StringIO(CSV + ",active\n")),
    "pandas has nullable numbers": lambda: pd.read_csv(StringIO(CSV)).convert_dtypes(),
    "polars reads 19 digits": lambda: pl.read_csv(BytesIO(CSV.encode())),
    "polars has rounded them": lambda: pl.DataFrame({"iccid": [float(OTHER)]}),
    "duckdb has a big number": lambda: duckdb.sql(f"SELECT {ICCID} AS iccid, 'active' AS status"),
}


@pytest.mark.parametrize("reading", NUMBERS)
def test_iccids_that_have_become_numbers_are_rejected(reading: str) -> None:
    with pytest.raises(ValueError, match=r"dtype=str.*infer_schema=False") as caught:
        Job.from_rows(NUMBERS[reading](), product="supersim")
    assert "'iccid' holds numbers" in str(caught.value)


@pytest.mark.parametrize(
    "frame",
    [
        pd.read_csv(StringIO(CSV), dtype=str),
        pl.read_csv(BytesIO(CSV.encode()), infer_schema=False),
    ],
)
async def test_the_advice_works(frame: Any) -> None:
    found = await read_rows(frame)
    assert (found.names, found.changes) == ([(1, "iccid", ICCID)], [ACTIVE])


async def test_a_column_that_is_missing_everywhere_is_no_number() -> None:
    frame = pd.DataFrame({"sid": [SID], "iccid": [float("nan")], "status": ["active"]})
    found = await read_rows(frame)
    assert found.names == [(1, "sid", SID)]


def test_two_columns_of_one_name_are_rejected() -> None:
    frame = pd.DataFrame([[SID, "active", "ready"]], columns=["sid", "status", "status"])
    with pytest.raises(ValueError, match="several columns status"):
        Job.from_rows(frame, product="supersim")


async def test_a_column_of_a_frame_is_an_iterable_of_names() -> None:
    for column in (pd.Series([ICCID, OTHER]), pl.Series([ICCID, OTHER])):
        found = await read_rows(column, change=ACTIVE)
        assert [name for _, _, name in found.names] == [ICCID, OTHER]


def test_a_lazy_frame_must_be_collected() -> None:
    with pytest.raises(TypeError, match="takes an iterable of rows"):
        Job.from_rows(pl.DataFrame(COLUMNS).lazy(), product="supersim")

"""Pages, lists and reports as frames of the real libraries; pyarrow is not installed."""

from __future__ import annotations

import importlib.util
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import narwhals
import pandas as pd
import polars as pl
import pytest

from asyncsim import Client, Page, bulk
from asyncsim.emulator import Emulator
from asyncsim.models.supersim.sims import Sim
from asyncsim.models.supersim.usage_records import UsageRecord
from asyncsim.models.wireless.sims import Sim as WirelessSim

CREATED = datetime(2026, 11, 29, 4, 5, 6, tzinfo=UTC)
SIMS = tuple(
    Sim(
        sid=f"HS{number:032x}",
        iccid=f"8988307000001234567{number}",
        status=status,
        date_created=CREATED,
        unique_name=None if number else "ünï",
    )
    for number, status in enumerate(["new", "active", "a status of tomorrow", None])
)
PAGE = Page(SIMS, False, model=Sim)
EMPTY = Page[Sim]((), False, model=Sim)


def test_pyarrow_is_not_needed() -> None:
    assert importlib.util.find_spec("pyarrow") is None


def test_polars_takes_a_page_directly() -> None:
    frame = pl.DataFrame(PAGE)
    assert frame.schema["iccid"] == pl.String
    assert frame.schema["date_created"] == pl.Datetime("us", "UTC")
    assert frame["sid"].to_list() == [sim.sid for sim in SIMS]
    assert frame["date_created"][0] == CREATED
    assert frame["unique_name"].to_list() == ["ünï", None, None, None]


def test_a_polars_frame_has_text_utc_and_categories() -> None:
    frame = PAGE.to_polars()
    assert isinstance(frame, pl.DataFrame)
    assert frame.schema["status"] == pl.Categorical
    assert frame["status"].to_list() == [sim.status for sim in SIMS]
    assert frame["iccid"].to_list() == [sim.iccid for sim in SIMS]


def test_a_pandas_frame_has_text_utc_and_categories() -> None:
    frame = PAGE.to_pandas()
    assert isinstance(frame, pd.DataFrame)
    assert isinstance(frame["iccid"].dtype, pd.StringDtype)
    assert frame["iccid"].tolist() == [sim.iccid for sim in SIMS]
    assert str(frame["date_created"].dtype) == "datetime64[us, UTC]"
    assert frame["date_created"][0] == pd.Timestamp(CREATED)
    status = frame["status"]
    assert list(status.cat.categories)[:3] == ["new", "ready", "active"]
    assert status.tolist()[2] == "a status of tomorrow"
    assert status.isna().tolist() == [False, False, False, True]


def test_an_iccid_survives_a_file(tmp_path: Path) -> None:
    PAGE.to_pandas().to_csv(tmp_path / "sims.csv", index=False)
    again = pd.read_csv(tmp_path / "sims.csv", dtype=str)
    assert again["iccid"].tolist() == [sim.iccid for sim in SIMS]


def test_empty_pages_keep_columns_and_types() -> None:
    assert pl.DataFrame(EMPTY).schema == pl.DataFrame(PAGE).schema
    assert EMPTY.to_polars().schema == PAGE.to_polars().schema
    empty, full = EMPTY.to_pandas(), PAGE.to_pandas()
    assert list(empty.columns) == list(full.columns)
    same = [name for name in full.columns if name != "status"]
    assert empty[same].dtypes.equals(full[same].dtypes)
    assert isinstance(empty["status"].dtype, pd.CategoricalDtype)


def test_frames_of_two_pages_can_be_put_together() -> None:
    known = Page(SIMS[:2], False)
    both = pd.concat([known.to_pandas(), known.to_pandas()])
    assert isinstance(both["status"].dtype, pd.CategoricalDtype)
    assert pl.concat([known.to_polars(), PAGE.to_polars()]).height == 6


def test_duckdb_takes_a_page_directly() -> None:
    page = PAGE  # found by its name
    found = duckdb.sql("SELECT iccid, date_created FROM page WHERE status = 'active'").fetchall()
    assert page is PAGE
    assert found == [(SIMS[1].iccid, CREATED)]


def test_narwhals_takes_a_page_directly() -> None:
    frame = narwhals.from_arrow(PAGE, backend="polars")
    assert frame.filter(narwhals.col("status") == "new")["sid"].to_list() == [SIMS[0].sid]


def test_amounts_are_exact() -> None:
    page = Page((UsageRecord(data_total_billed=Decimal("-0.0025")), UsageRecord()), False)
    for frame in (page.to_polars(), page.to_pandas()):
        assert list(frame["data_total_billed"]) == [Decimal("-0.0025"), None]


def test_an_eid_is_text() -> None:
    page = Page((WirelessSim(sid="DE1", eid="89043052202008889900003766772618"),), False)
    assert page.to_polars().schema["eid"] == pl.String
    assert page.to_pandas()["eid"].tolist() == ["89043052202008889900003766772618"]


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async with Emulator(sims=5, speed=1000) as emulator, emulator.client() as client:
        yield client


async def test_a_list_is_read_into_a_frame(client: Client) -> None:
    sims = client.supersim.sims.list(page_size=2)
    assert (await sims.to_polars()).height == 5
    assert len(await sims.to_pandas()) == 5
    assert (await client.supersim.sims.list(status="active").to_polars()).schema == (
        await sims.to_polars()
    ).schema


async def test_the_rows_of_a_report_are_a_frame(client: Client, tmp_path: Path) -> None:
    page = await client.supersim.sims.list()
    frame = page.to_polars().with_columns(pl.lit("active").alias("new_status"))
    job = bulk.Job.from_rows(frame.select("sid", "new_status"), product="supersim")
    async with bulk.Journal.open(tmp_path / "job.db") as journal:
        report = await bulk.run(job, client, journal=journal)
        rows: Any = await report.to_polars()
    assert rows["state"].to_list() == ["done"] * 5
    assert rows.schema["state"] == pl.Categorical
    assert rows.schema["ended_at"] == pl.Datetime("us", "UTC")
    assert (await report.to_pandas())["sid"].tolist() == [sim.sid for sim in page]


async def test_a_frame_is_a_job_and_its_iccids_arrive(client: Client, tmp_path: Path) -> None:
    frame = await client.supersim.sims.list(limit=3).to_pandas()
    job = bulk.Job.from_rows(frame[["iccid"]], product="supersim", change={"status": "active"})
    async with bulk.Journal.open(tmp_path / "job.db") as journal:
        report = await bulk.run(job, client, journal=journal)
    assert report.ok
    assert len(await client.supersim.sims.list(status="active")) == 3

"""`list(limit=...)`, indexes of pages, and tables of a whole list."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.conftest import OpenHarness
from tests.integration.harness import Api, Harness


@pytest.fixture
async def harness(start_harness: OpenHarness) -> Harness:
    return await start_harness(Api("twilio", "supersim"), sims=7)


def sizes(harness: Harness) -> list[str | None]:
    """The page size of each list request."""
    return [one.query.get("PageSize", [None])[0] for one in harness.lists]


async def test_a_limit_is_not_sent_but_chooses_the_page_size(harness: Harness) -> None:
    page = await harness.sims.list(limit=3)
    assert [sim.sid for sim in page] == harness.sids[::-1][:3]
    assert page.has_next
    assert sizes(harness) == ["3"]
    assert all("Limit" not in one.query for one in harness.lists)


async def test_a_large_limit_takes_the_largest_pages(harness: Harness) -> None:
    assert len(await harness.sims.list(limit=5000)) == 7
    assert sizes(harness) == ["1000"]


async def test_a_limit_counts_records_across_pages(harness: Harness) -> None:
    seen = [sim.sid async for sim in harness.sims.list(limit=5, page_size=2)]
    assert seen == harness.sids[::-1][:5]
    assert sizes(harness) == ["2", "2", "2"]
    pages = [len(page) async for page in harness.sims.list(limit=5, page_size=2).pages()]
    assert pages == [2, 2, 1]
    assert len(await harness.sims.list(limit=1, page_size=2)) == 1


async def test_a_limit_that_is_reached_needs_no_other_page(harness: Harness) -> None:
    assert len([sim async for sim in harness.sims.list(limit=4, page_size=2)]) == 4
    assert len(harness.lists) == 2


async def test_converted_lists_keep_the_limit(harness: Harness) -> None:
    pager = harness.sims.list(limit=3).map(lambda sim: sim.sid)
    assert [sid async for sid in pager] == harness.sids[::-1][:3]
    assert list(await pager) == harness.sids[::-1][:3]


@pytest.mark.parametrize("limit", [0, -1, 1.5, "10"])
async def test_a_limit_is_a_whole_number(harness: Harness, limit: Any) -> None:
    with pytest.raises(ValueError, match=r"limit=.*: must be a whole number"):
        harness.sims.list(limit=limit)


async def test_secrets_have_a_limit_too(start_harness: OpenHarness) -> None:
    harness = await start_harness(Api("kore", "supersim"), sims=1)
    secrets = harness.client.webhooks.secrets
    for name in ("a", "b"):
        await secrets.create(name=name)
    assert len(await secrets.list(limit=1)) == 1
    assert len([one async for one in secrets.list(limit=2, page_size=1)]) == 2


async def test_a_page_has_indexes_and_slices(harness: Harness) -> None:
    page = await harness.sims.list()
    sids = harness.sids[::-1]
    assert page[0].sid == sids[0]
    assert page[-1].sid == sids[-1]
    assert [sim.sid for sim in page[1:3]] == sids[1:3]
    with pytest.raises(IndexError):
        page[7]


async def test_a_pager_reads_all_pages_into_a_table(harness: Harness) -> None:
    rows = await harness.sims.list(page_size=2).to_dicts()
    assert [row["sid"] for row in rows] == harness.sids[::-1]
    rows = await harness.sims.list(limit=3).to_dicts()
    assert len(rows) == 3
    assert await harness.sims.list(status="active").to_dicts() == []

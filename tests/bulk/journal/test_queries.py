"""Queries of a job's input: rows, duplicates, and whether the input is complete."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType

import attrs
import pytest

from asyncsim.bulk.journal import Journal
from asyncsim.bulk.records import Duplicate, State
from asyncsim.errors import JournalError
from tests.bulk.journal.samples import exists, fill, next_rows, row
from tests.bulk.journals import HEAD
from tests.bulk.places import Place


async def test_a_new_journal_needs_its_input_and_a_complete_one_does_not(place: Place) -> None:
    async with place.journal() as journal:
        assert await journal.head() is None
        assert await journal.begin_job(HEAD)
        await journal.add_rows([row(1), row(2)])
        await journal.complete_input(
            header=("iccid", "city"), applied=("fleet",), digest="d", notes=("a note",)
        )
    async with place.journal() as journal:
        known = (journal.header, journal.applied, journal.digest, journal.notes)
        assert known == (("iccid", "city"), ("fleet",), "d", ("a note",))
        assert not await journal.begin_job(HEAD)
        assert await journal.head() == HEAD
        assert await next_rows(journal, State.READ) == [1, 2]


async def test_a_partly_read_input_never_counts_as_complete(place: Place) -> None:
    async with place.journal() as journal:
        await journal.begin_job(HEAD)
        await journal.add_rows([row(1), row(2), row(3)])
    async with place.journal() as journal:
        assert await journal.head() is None
        assert journal.digest is None
        assert await journal.begin_job(attrs.evolve(HEAD, label="corrected.csv"))
        assert await journal.counts() == {}
        await journal.add_rows([row(1)])
        assert await next_rows(journal, State.READ) == [1]


async def test_a_journal_of_another_job_is_rejected_with_the_difference(journal: Journal) -> None:
    await fill(journal, 1)
    other = attrs.evolve(HEAD, change={"status": "inactive"}, label="other.csv")
    with pytest.raises(JournalError, match="another job") as caught:
        await journal.begin_job(other)
    assert 'change was {"status":"active"} and is now {"status":"inactive"}' in str(caught.value)
    assert "label was batch.csv and is now other.csv" in str(caught.value)
    assert "vendor" not in str(caught.value)
    assert await journal.head() == HEAD


async def test_a_change_given_as_another_kind_of_mapping_is_the_same_job(journal: Journal) -> None:
    await fill(journal, 1)
    same = attrs.evolve(HEAD, change=MappingProxyType({"status": "active"}))
    assert not await journal.begin_job(same)


async def test_rows_are_returned_as_given(journal: Journal) -> None:
    own = row(
        7, line=9, naming="sid", name="HS1", change={"fleet": "f", "x": None}, cells=("ü", "")
    )
    await fill(journal, 0, own)
    [entry] = [entry async for entry in journal.entries({State.READ})]
    assert (entry.number, entry.line, entry.naming, entry.name) == (7, 9, "sid", "HS1")
    assert entry.change == {"fleet": "f", "x": None}
    [result] = [result async for result in journal.results()]
    assert (result.cells, result.change, result.state) == (("ü", ""), entry.change, State.READ)


async def test_missing_values_of_a_row_stay_none(journal: Journal, place: Place) -> None:
    await fill(journal, 1)
    [result] = [result async for result in journal.results()]
    assert (result.change, result.cells) == (None, None)
    assert place.query("SELECT change IS NULL, cells IS NULL FROM rows") == [(1, 1)]


async def test_duplicate_names_are_reported_in_input_order(journal: Journal) -> None:
    names = ["b", "a", "b", "c", "a", "b", "b", "b", "b"]
    await fill(journal, 0, *[row(number, name=name) for number, name in enumerate(names, 1)])
    assert await journal.duplicate_names() == [
        Duplicate(name="b", lines=(2, 4, 7, 8, 9), times=6, conflicting=False),
        Duplicate(name="a", lines=(3, 6), times=2, conflicting=False),
    ]
    assert [one.name for one in await journal.duplicate_names(most=1)] == ["b"]


@pytest.mark.parametrize(
    ("first", "second", "conflicting"),
    [
        ({"fleet": "x"}, {"fleet": "x"}, False),
        ({"fleet": "x"}, {"fleet": "y"}, True),
        (None, {"fleet": "y"}, True),
        (None, None, False),
    ],
)
async def test_duplicate_rows_conflict_when_their_changes_differ(
    journal: Journal, first: object, second: object, conflicting: bool
) -> None:
    await fill(journal, 0, row(1, name="a", change=first), row(2, name="a", change=second))
    [found] = await journal.duplicate_names()
    assert found.conflicting is conflicting


async def test_all_of_many_duplicate_names_are_reported(journal: Journal) -> None:
    await fill(journal, 0, *[row(number, name=f"n{number % 700}") for number in range(1, 1401)])
    found = await journal.duplicate_names()
    assert [one.name for one in found] == [f"n{number % 700}" for number in range(1, 701)]
    assert {one.times for one in found} == {2}


async def test_discarding_a_job_removes_the_file_created_for_it(path: Path) -> None:
    async with Journal.open(path) as journal:
        await fill(journal, 3)
        await journal.discard_job()
        assert (journal.digest, await journal.counts()) == (None, {})
    assert not exists(path)


async def test_discarding_a_job_keeps_a_file_that_existed_before(path: Path) -> None:
    async with Journal.open(path) as journal:
        await journal.begin_job(HEAD)
    async with Journal.open(path) as journal:
        await journal.discard_job()
    assert exists(path)


async def test_an_unused_journal_leaves_no_file(path: Path) -> None:
    async with Journal.open(path):
        assert exists(path)
    assert not exists(path)


async def test_text_that_cannot_be_stored_raises_a_clear_error(journal: Journal) -> None:
    await journal.begin_job(HEAD)
    with pytest.raises(JournalError, match="surrogates not allowed"):
        await journal.add_rows([row(1, name="\ud800")])
    await journal.add_rows([row(1)])
    assert await journal.counts() == {State.READ: 1}


async def test_a_duplicate_row_number_rejects_its_whole_batch(
    journal: Journal,
) -> None:
    await fill(journal, 1)
    with pytest.raises(JournalError, match=r"(?i)unique"):
        await journal.add_rows([row(2), row(1)])
    assert await journal.counts() == {State.READ: 1}

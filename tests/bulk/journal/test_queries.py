"""The input comes into a journal whole or not at all, and only one job's."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType

import attrs
import pytest

from asyncsim.bulk.journal import Journal
from asyncsim.bulk.records import Duplicate, State
from asyncsim.errors import JournalError
from tests.bulk.journal.samples import HEAD, exists, fed, fill, query, row


async def test_a_new_journal_wants_its_input_and_a_sealed_one_does_not(path: Path) -> None:
    async with Journal.open(path) as journal:
        assert await journal.head() is None
        assert await journal.begin_job(HEAD)
        await journal.add_rows([row(1), row(2)])
        await journal.complete_input(
            header=("iccid", "city"), applied=("fleet",), digest="d", notes=("odd",)
        )
    async with Journal.open(path) as journal:
        known = (journal.header, journal.applied, journal.digest, journal.notes)
        assert known == (("iccid", "city"), ("fleet",), "d", ("odd",))
        assert not await journal.begin_job(HEAD)
        assert await journal.head() == HEAD
        assert await fed(journal, State.READ) == [1, 2]


async def test_half_an_input_never_looks_whole(path: Path) -> None:
    async with Journal.open(path) as journal:
        await journal.begin_job(HEAD)
        await journal.add_rows([row(1), row(2), row(3)])
    async with Journal.open(path) as journal:
        assert await journal.head() is None
        assert journal.digest is None
        assert await journal.begin_job(attrs.evolve(HEAD, label="the mended one.csv"))
        assert await journal.counts() == {}
        await journal.add_rows([row(1)])
        assert await fed(journal, State.READ) == [1]


async def test_a_journal_of_another_job_is_refused_and_says_what_differs(journal: Journal) -> None:
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


async def test_rows_come_back_as_they_were_given(journal: Journal) -> None:
    own = row(
        7, line=9, naming="sid", name="HS1", change={"fleet": "f", "x": None}, cells=("ü", "")
    )
    await fill(journal, 0, own)
    [entry] = [entry async for entry in journal.entries({State.READ})]
    assert (entry.number, entry.line, entry.naming, entry.name) == (7, 9, "sid", "HS1")
    assert entry.change == {"fleet": "f", "x": None}
    [result] = [result async for result in journal.results()]
    assert (result.cells, result.change, result.state) == (("ü", ""), entry.change, State.READ)


async def test_what_a_row_does_not_have_stays_none(journal: Journal, path: Path) -> None:
    await fill(journal, 1)
    [result] = [result async for result in journal.results()]
    assert (result.change, result.cells) == (None, None)
    assert query(path, "SELECT change IS NULL, cells IS NULL FROM rows") == [(1, 1)]


async def test_names_that_repeat_are_told_in_the_order_of_the_input(journal: Journal) -> None:
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
async def test_repeated_rows_conflict_when_they_ask_for_different_things(
    journal: Journal, first: object, second: object, conflicting: bool
) -> None:
    await fill(journal, 0, row(1, name="a", change=first), row(2, name="a", change=second))
    [found] = await journal.duplicate_names()
    assert found.conflicting is conflicting


async def test_many_repeated_names_are_all_told(journal: Journal) -> None:
    await fill(journal, 0, *[row(number, name=f"n{number % 700}") for number in range(1, 1401)])
    found = await journal.duplicate_names()
    assert [one.name for one in found] == [f"n{number % 700}" for number in range(1, 701)]
    assert {one.times for one in found} == {2}


async def test_a_discarded_job_takes_the_file_made_for_it_along(path: Path) -> None:
    async with Journal.open(path) as journal:
        await fill(journal, 3)
        await journal.discard_job()
        assert (journal.digest, await journal.counts()) == (None, {})
    assert not exists(path)


async def test_a_file_that_was_there_before_stays_when_its_job_is_discarded(path: Path) -> None:
    async with Journal.open(path) as journal:
        await journal.begin_job(HEAD)
    async with Journal.open(path) as journal:
        await journal.discard_job()
    assert exists(path)


async def test_a_journal_that_nothing_came_into_leaves_no_file(path: Path) -> None:
    async with Journal.open(path):
        assert exists(path)
    assert not exists(path)


async def test_text_that_cannot_be_stored_is_a_clear_error(journal: Journal) -> None:
    await journal.begin_job(HEAD)
    with pytest.raises(JournalError, match="surrogates not allowed"):
        await journal.add_rows([row(1, name="\ud800")])
    await journal.add_rows([row(1)])
    assert await journal.counts() == {State.READ: 1}


async def test_a_row_that_is_there_already_is_refused_and_its_batch_with_it(
    journal: Journal,
) -> None:
    await fill(journal, 1)
    with pytest.raises(JournalError, match="UNIQUE"):
        await journal.add_rows([row(2), row(1)])
    assert await journal.counts() == {State.READ: 1}

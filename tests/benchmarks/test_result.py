from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.result import (
    Result,
    Table,
    Target,
    index,
    keep,
    kept,
    markdown,
    number,
    targets_of,
    write_index,
)
from benchmarks.rounds import Sample, Spread, interleave, ratios

MACHINE = {"cores": "2", "measured": "today", "load": "0.1"}
TARGETS = (
    Target(what="cost", measured=1.04, bound=1.05, spread="counted"),
    Target(what="speed", measured=12_345.6, bound=10_000, at_most=False),
    Target(what="size", measured=257, bound=256),
)
RESULT = Result(
    name="some",
    question="Why?",
    targets=TARGETS,
    tables=[Table(title="Each", head=("who", "what"), rows=[("we", "1")])],
    notes=("a note",),
    samples={"raw": [1.0]},
)


@pytest.mark.parametrize(
    ("measured", "at_most", "met"),
    [(1.0, True, True), (1.1, True, False), (1.0, False, True), (0.9, False, False)],
)
def test_a_target_is_met_up_to_its_bound(measured: float, at_most: bool, met: bool) -> None:
    assert Target(what="it", measured=measured, bound=1.0, at_most=at_most).met is met


def test_large_numbers_have_separators() -> None:
    assert [number(one) for one in (0.00421, 1.048, 256, 12_345.6)] == [
        "0.00421",
        "1.05",
        "256",
        "12,346",
    ]


def test_a_page_shows_targets_tables_notes_and_the_machine() -> None:
    page = markdown(RESULT, MACHINE).splitlines()
    assert page[:3] == ["# some", "", "Why?"]
    assert "| cost | 1.04 | counted | ≤ 1.05 | met |" in page
    assert "| speed | 12,346 |  | ≥ 10,000 | met |" in page
    assert "| size | 257 |  | ≤ 256 | **missed** |" in page
    assert page.index("## Each") < page.index("| we | 1 |") < page.index("- a note")
    assert page[-1] == "Measured on: cores 2; measured today; load 0.1"


def test_a_stored_result_can_be_loaded(tmp_path: Path) -> None:
    keep(RESULT, MACHINE, tmp_path)
    facts = kept(tmp_path)["some"]
    assert targets_of(facts) == list(TARGETS)
    assert [one["met"] for one in facts["targets"]] == [True, True, False]
    assert facts["machine"] == MACHINE
    assert json.loads((tmp_path / "some.json").read_text())["samples"] == {"raw": [1.0]}
    assert (tmp_path / "some.md").read_text() == markdown(RESULT, MACHINE)


def test_the_index_counts_all_targets_and_links_to_their_pages(tmp_path: Path) -> None:
    keep(RESULT, MACHINE, tmp_path)
    write_index(tmp_path)
    page = (tmp_path / "README.md").read_text()
    assert page == index(kept(tmp_path))
    assert "2 of 3 targets are met." in page
    assert "## [some](some.md)" in page
    assert "| size | 257 |  | ≤ 256 | **missed** |" in page


def test_a_spread_is_the_median_and_the_quartiles() -> None:
    assert Spread.of([5, 1, 3, 2, 4]) == Spread(3, 2, 4)
    assert Spread.of([7]) == Spread(7, 7, 7)
    assert Spread.of([1, 2]).text(10, 1) == "15.0 (12.5 to 17.5)"


def test_ratios_are_computed_per_round() -> None:
    # The machine was three times slower in the second round, which does not change the ratio.
    assert ratios([2, 6], [1, 3]) == Spread(2, 2, 2)
    with pytest.raises(ValueError, match="zip"):
        ratios([1, 2], [1])


def test_contenders_alternate_and_each_round_starts_with_another() -> None:
    order: list[tuple[str, int]] = []

    def turn(name: str) -> object:
        return lambda pieces: order.append((name, pieces))

    turns = {name: turn(name) for name in "ab"}
    found = interleave(turns, rounds=2, pieces=8)  # type: ignore[arg-type]  # as they are
    assert order == [("a", 2), ("b", 2), ("a", 8), ("b", 8), ("b", 8), ("a", 8)]
    assert {name: len(samples) for name, samples in found.items()} == {"a": 2, "b": 2}
    assert all(isinstance(one, Sample) for one in found["a"])

"""The figures in the documents against the stored results."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from benchmarks.__main__ import names
from benchmarks.figures import DOCUMENTS, FIGURES, NoSuchPlace, figures, rewritten
from benchmarks.result import RESULTS, Result, Table, Target, index, keep, kept

KEPT = kept(RESULTS)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_documents_show_the_stored_results(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert "<!-- figures: " in text
    assert rewritten(text, KEPT) == text, "run `python -m benchmarks.figures`"


def test_the_index_shows_the_stored_results() -> None:
    assert (RESULTS / "README.md").read_text(encoding="utf-8") == index(KEPT)


def test_the_index_lists_every_benchmark_with_its_question() -> None:
    listed = re.findall(r"^## \[(\w+)\]\(", index(KEPT), re.MULTILINE)
    assert set(names()) <= set(listed)


def test_every_benchmark_has_a_plot() -> None:
    assert [name for name in names() if not (RESULTS / f"{name}.svg").exists()] == []


def test_the_readme_shows_figures_of_existing_benchmarks() -> None:
    assert {row.benchmark for row in FIGURES} <= set(names())


@pytest.fixture
def results(tmp_path: Path) -> Any:
    result = Result(
        name="some",
        question="Why?",
        targets=[
            Target(what="cost of a", measured=1.0, bound=2.0),
            Target(what="cost of b", measured=3.0, bound=2.0),
        ],
        tables=[Table(title="Each", head=("who",), rows=[("we",)])],
    )
    keep(result, {"cores": "2", "load": "0.1"}, tmp_path)
    return dict(kept(tmp_path))


def test_a_placeholder_is_filled_and_can_be_refilled(results: Any) -> None:
    text = "A\n\n<!-- figures: table some: Each -->\nold\n<!-- /figures -->\n\nB\n"
    new = rewritten(text, results)
    assert "| who |\n| --- |\n| we |\n" in new
    assert "old" not in new
    assert new.startswith("A\n\n")
    assert new.endswith("\n\nB\n")
    assert rewritten(new, results) == new


@pytest.mark.parametrize(
    ("what", "line"),
    [
        ("targets some", "| cost of a | 1 |  | ≤ 2 | met |"),
        ("targets some: of b", "| cost of b | 3 |  | ≤ 2 | **missed** |"),
        ("missed", "| [some](../benchmarks/results/some.md) | 2 | 1 | 1 |"),
        ("machine", "- cores: 2"),
        ("plot some", "![Why?](../benchmarks/results/some.svg)"),
        ("targets another", "Not measured yet."),
    ],
)
def test_a_placeholder_has_its_contents(results: Any, what: str, line: str) -> None:
    assert line in figures(results, what)


@pytest.mark.parametrize("what", ["tables some", "table some: None", "targets some: none"])
def test_an_unknown_placeholder_is_rejected(results: Any, what: str) -> None:
    with pytest.raises(NoSuchPlace):
        figures(results, what)

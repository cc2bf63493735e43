"""The figures in the documents against the stored results."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from benchmarks.__main__ import names
from benchmarks.figures import DOCUMENTS, FIGURES, UnknownPlaceholder, figures, rewritten
from benchmarks.result import RESULTS, Result, Table, Target, index, keep, kept, targets_of

KEPT = kept(RESULTS)
DELAY_AND_REQUESTS = ("mean delay, s", "requests a SIM")


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


def test_what_was_not_measured_says_so(results: Any) -> None:
    assert figures(results, "table another: Each") == ["Not measured yet."]


@pytest.mark.parametrize("what", ["tables some", "table some: None", "plot some"])
def test_an_unknown_placeholder_is_rejected(results: Any, what: str) -> None:
    with pytest.raises(UnknownPlaceholder):
        figures(results, what)


@pytest.mark.parametrize(
    ("document", "text", "benchmark", "target"),
    [
        ("README.md", "in {:.2f} times the shortest", "fan_out", "limit of 100: time to bound"),
        ("README.md", "{:.2f} requests per SIM", "waiting", "requests, 1000 SIMs, all there is"),
        ("performance.md", "take {:.2f} times as long", "fan_out", "limit of 100: time to bound"),
        ("performance.md", "and {:.1f} % of the requests", "fan_out", "limit of 100: throttled, %"),
        ("performance.md", "lost | {:.3f} |", "waiting", "requests, 1000, callbacks"),
        ("performance.md", "lost | 0.013 | {:.2f} s |", "waiting", "p99 delay, 1000, callbacks"),
        ("performance.md", "account's | {:.2f} |", "waiting", "requests, 1000 SIMs, all there is"),
        ("performance.md", "0.08 | {:.0f} s |", "waiting", "p99 delay, 1000 SIMs, all there is"),
        ("performance.md", "many others | {:.2f} |", "waiting", "requests, 1000 among others"),
        ("performance.md", "1.05 | {:.0f} s |", "waiting", "p99 delay, 1000 among others"),
        ("performance.md", "peak at {:.0f} MiB", "million", "update_many: MiB at most"),
        ("performance.md", "at {:.0f} MiB in a job", "million", "job: MiB at most"),
    ],
)
def test_figures_in_sentences_are_those_that_were_measured(
    document: str, text: str, benchmark: str, target: str
) -> None:
    (path,) = (one for one in DOCUMENTS if one.name == document)
    targets = targets_of(KEPT[benchmark])
    measured = next(one.measured for one in targets if one.what.startswith(target))
    assert text.format(measured) in path.read_text(encoding="utf-8")


def test_the_figures_of_polling_are_those_that_were_measured() -> None:
    (table,) = KEPT["polling"]["tables"]
    row = next(cells for cells in table["rows"] if cells[0] == "aiohttp, polling")
    delay, requests = (float(row[table["head"].index(head)]) for head in DELAY_AND_REQUESTS)
    (performance,) = (one for one in DOCUMENTS if one.name == "performance.md")
    assert f"| {requests:.1f} | {delay:.0f} s |" in performance.read_text(encoding="utf-8")
    assert f"{requests:.1f} by polling" in {figure.relative_to for figure in FIGURES}

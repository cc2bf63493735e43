"""The few figures that the README shows, each a target of a benchmark."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen

from benchmarks.index import Facts, targets_of
from benchmarks.result import Target, number, table
from benchmarks.variants import VARIANTS


@frozen
class Figure:
    """One row: what it is called, and the words of its target."""

    text: str
    benchmark: str
    words: tuple[str, ...]
    both: bool = False
    """Whether it was measured with and without the extra `speed`."""


FIGURES = (
    Figure(
        "CPU of a `fetch`, to bare aiohttp with orjson",
        "requests",
        ("fetch 100,", "CPU to bare"),
        both=True,
    ),
    Figure(
        "CPU of an `update`, to bare aiohttp with orjson",
        "requests",
        ("update 100,", "CPU to bare"),
        both=True,
    ),
    Figure(
        "throughput of `update`, to twilio-python's async client",
        "requests",
        ("update 100,", "throughput to twilio"),
        both=True,
    ),
    Figure(
        "a page of 1,000 Sims as records, times as fast as twilio-python",
        "pages",
        ("records,", "times as fast"),
        both=True,
    ),
    Figure(
        "10,000 updates at a vendor with an unknown limit, to the least possible time (simulated)",
        "fan_out",
        ("limit of 100:", "time to bound"),
    ),
    Figure(
        "requests per SIM to learn that it has settled, 1,000 SIMs (simulated)",
        "waiting",
        ("requests, 1000 SIMs, all there is",),
    ),
    Figure(
        "the same with callbacks, of which 1 % are lost (simulated)",
        "waiting",
        ("requests, 1000, callbacks",),
    ),
    Figure(
        "instructions of a callback, to a bare aiohttp handler",
        "callbacks",
        ("instructions against",),
    ),
    Figure(
        "seconds a SIM in `update_many`, 100,000 SIMs to 10,000",
        "growth",
        ("update_many,", "seconds a SIM"),
        both=True,
    ),
    Figure("wrong answers, of 200 in flight", "answers", ("asyncsim",)),
)


def _target(results: Mapping[str, Facts], row: Figure, variant: str = "") -> Target | None:
    targets = targets_of(results[row.benchmark]) if row.benchmark in results else []
    words = (*row.words, variant)
    return next((one for one in targets if all(word in one.what for word in words)), None)


def _cells(results: Mapping[str, Facts], row: Figure) -> tuple[str, ...] | None:
    without, with_ = (_target(results, row, one if row.both else "") for one in VARIANTS)
    if without is None or with_ is None:
        return None
    sign = "≤" if with_.at_most else "≥"
    first = number(without.measured) if row.both else ""
    return (row.text, number(with_.measured), first, f"{sign} {number(with_.bound)}")


def summary(results: Mapping[str, Facts]) -> list[str]:
    """Write the table; of what was not measured, no row."""
    rows = (_cells(results, row) for row in FIGURES)
    head = ("what", "measured", "without the extra", "asked for")
    return table(head, [row for row in rows if row is not None])

"""The report of a job, to be read: how many ended how, why, how long it took, what is left."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta
from itertools import groupby

from rich.text import Text

from asyncsim.bulk import Report
from asyncsim.bulk.actions import describe
from asyncsim.bulk.records import SUCCEEDED, State
from asyncsim.bulk.report import Shortfall
from asyncsim.bulk.results import WrittenResults
from asyncsim.cli.terminal import printable
from asyncsim.observers import Tally
from asyncsim.vendors import Product

_MINUTE = 60.0


def told(
    report: Report, tally: Tally | None = None, written: WrittenResults | None = None
) -> list[tuple[str, Text]]:
    """The report as labels and what stands behind them.

    `tally` has counted what this run sent, `written` went into files.
    """
    rows = list(_lines(report, tally))
    label = "others"
    for remedy, group in groupby(report.shortfalls, key=lambda one: one.remedy):
        rows.append((label, _why(group, remedy)))
        label = ""
    notes = report.plan.notes if report.plan else ()
    rows += [("note", Text(printable(note))) for note in notes]
    if written is not None:
        rows.append(("files", Text("\n".join(map(printable, _files(written))))))
    return rows


def _files(written: WrittenResults) -> Iterator[str]:
    yield f"{written.results}: all {written.rows:,}"
    if written.failed_rows:
        yield f"{written.failed}: {written.failed_rows:,} to be mended and given in again"
    if written.unknown is not None and written.unknown_rows:
        yield f"{written.unknown}: {written.unknown_rows:,} that may have been sent"


def _lines(report: Report, tally: Tally | None) -> Iterator[tuple[str, Text]]:
    yield from about(report)
    yield "SIMs", Text(f"{report.rows:,}{_ended(report)}")
    for state in (State.DONE, State.ALREADY):
        if count := report.states.get(state):
            yield (
                state.value,
                Text(f"{count:,}{_how(report) if state is State.DONE else ''}", "green"),
            )
    if (times := _times(report)) is not None:
        yield "time", times
    if report.requests is not None:
        yield "requests", Text(_requests(report, tally))


def about(report: Report) -> Iterator[tuple[str, Text]]:
    """What a job asks for, of which file, in whose account."""
    head = report.head
    columns = ", ".join(report.columns)
    of_rows = f"{columns} as {head.label} says" if columns else ""
    what = ", ".join(filter(None, (describe(head.change), of_rows)))
    yield "job", Text(printable(" ".join(filter(None, (head.action, what, f"for {head.label}")))))
    where = f"{head.vendor}, {Product(head.product).label}, {head.account}"
    yield "account", Text(printable(where))


def _ended(report: Report) -> str:
    reached = sum(report.states.get(state, 0) for state in SUCCEEDED)
    text = f", {'all' if report.ok else f'{reached:,}'} at their goal"
    if report.found_nothing_to_do:
        text += " when this job ended, in an earlier run"
    return f"{text}; the run ended early: {report.stopped}" if report.stopped else text


def _how(report: Report) -> str:
    counted = report.statistics
    parts = [f"{how} {count:,}" for how, count in counted.settled_by.items() if count]
    parts += [f"confirmed by a read {counted.confirmed:,}"] if counted.confirmed else []
    return f": settled by {', '.join(parts)}" if parts else ""


def _times(report: Report) -> Text | None:
    counted = report.statistics
    figures = {"p50": counted.p50, "p95": counted.p95, "p99": counted.p99, "max": counted.slowest}
    parts = [f"{name} {_duration(each)}" for name, each in figures.items() if each is not None]
    if report.seconds is not None:
        parts.append(f"the run {_duration(report.seconds)}")
    return Text(", ".join(parts)) if parts else None


def _duration(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < _MINUTE else str(timedelta(seconds=round(seconds)))


def _requests(report: Report, tally: Tally | None) -> str:
    text = f"{report.requests:,}"
    if report.requests_per_sim is not None:
        text += f", {report.requests_per_sim:.2f} per SIM"
    if tally is not None:
        text += f"; refused with 429: {tally.limited:,}; sent again: {tally.retried:,}"
    return text


def _why(group: Iterable[Shortfall], remedy: str) -> Text:
    """Rows that have one way out: how many for which reason, and the way."""
    text = Text()
    for shortfall in group:
        text.append(f"{shortfall.rows:,} {shortfall.reason}", style="red")
        text.append(f": {printable(shortfall.sample)}\n" if shortfall.sample else "\n")
    return text.append(f"-> {printable(remedy)}")

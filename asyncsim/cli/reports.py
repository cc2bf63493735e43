"""The report and the plan of a job, as text."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from datetime import timedelta
from itertools import groupby

from rich.table import Table
from rich.text import Text

from asyncsim.bulk import Plan, Report, WrittenUndo
from asyncsim.bulk.actions import describe
from asyncsim.bulk.records import HOPELESS, SUCCEEDED, UNFINISHED, Entry, State
from asyncsim.bulk.results import WrittenResults
from asyncsim.cli.exits import Exit
from asyncsim.cli.output import printable
from asyncsim.observers import Tally
from asyncsim.vendors import Product

_MINUTE = 60.0
_LATER = "by use (250 KB, five Commands), or after three months"


def report_exit_code(report: Report) -> Exit:
    """Choose the exit code of a job: 3 if its run was cut short, else a failure outweighs delay."""
    failed = report.states.keys() - SUCCEEDED - UNFINISHED
    # The circuit breaker may trip at the last SIM: then there is nothing to resume.
    complete = report.stopped is None or (report.stopped == "breaker" and report.finished)
    if report.stopped == "max_failures" or (failed and complete):
        return Exit.FAILED
    return Exit.OK if report.ok else Exit.PENDING


def render_report(
    report: Report, tally: Tally | None = None, written: WrittenResults | None = None
) -> list[tuple[str, Text]]:
    """Render a report as labels and texts.

    `tally` has counted the requests of this run, `written` names the files of results.
    """
    rows = [*describe_job(report), ("SIMs", Text(f"{report.rows:,}{_ended(report)}"))]
    for state in (State.DONE, State.ALREADY):
        if count := report.states.get(state):
            how = _settled_by(report) if state is State.DONE else ""
            rows.append((state.value, Text(f"{count:,}{how}", "green")))
    if (times := _times(report)) is not None:
        rows.append(("time", times))
    if report.requests is not None:
        rows.append(("requests", Text(_requests(report, tally))))
    label = "others"
    for remedy, group in groupby(report.shortfalls, key=lambda one: one.remedy):
        text = Text()
        for shortfall in group:
            text.append(f"{shortfall.rows:,} {shortfall.reason}", style="red")
            text.append(f": {printable(shortfall.sample)}\n" if shortfall.sample else "\n")
        rows.append((label, text.append(f"-> {printable(remedy)}")))
        label = ""
    notes = report.plan.notes if report.plan else ()
    rows += [("note", Text(printable(note))) for note in notes]
    if written is not None:
        rows.append(("files", Text("\n".join(map(printable, _files(written))))))
    return rows


def describe_job(report: Report) -> Iterator[tuple[str, Text]]:
    """The change, its input and the account, as labels and texts."""
    head = report.head
    columns = ", ".join(report.columns)
    of_rows = f"{columns} as {head.label} says" if columns else ""
    what = ", ".join(filter(None, (describe(head.change), of_rows)))
    yield "job", Text(printable(" ".join(filter(None, (head.action, what, f"for {head.label}")))))
    where = f"{head.vendor}, {Product(head.product).label}, {head.account}"
    yield "account", Text(printable(where))


def _ended(report: Report) -> str:
    reached = sum(report.states.get(state, 0) for state in SUCCEEDED)
    text = f", {'all' if report.ok else f'{reached:,}'} at their target"
    if report.found_nothing_to_do:
        text += " when this job finished, in an earlier run"
    return f"{text}; the run ended early: {report.stopped}" if report.stopped else text


def _settled_by(report: Report) -> str:
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
        text += f"; throttled with 429: {tally.limited:,}; retried: {tally.retried:,}"
    return text


def _files(written: WrittenResults) -> Iterator[str]:
    yield f"{written.results}: all {written.rows:,}"
    if written.failed_rows:
        yield f"{written.failed}: {written.failed_rows:,} to correct and use as input"
    if written.unknown is not None and written.unknown_rows:
        yield f"{written.unknown}: {written.unknown_rows:,} that may have been sent"


def render_undo(undo: WrittenUndo, report: Report) -> Iterator[tuple[str, Text]]:
    """Render what was written to undo a job."""
    file = shlex.quote(str(undo.file))
    product = " --product wireless" if report.head.product == "wireless" else ""
    text = Text(f"{printable(file)}: {undo.rows:,} statuses before the job")
    if undo.rows:
        text.append(printable(f"\n-> asyncsim bulk change {file}{product}"))
    for why, count in undo.left_out.items():
        text.append(f"\n{count:,} left out: {printable(why)}", "red")
    yield "undo", text


def impossible_rows(plan: Plan) -> int:
    """Count the rows that cannot reach their target."""
    return sum(count for verdict, count in plan.verdicts.items() if verdict in HOPELESS)


def render_plan(plan: Plan, about: Iterable[tuple[str, Text]] = ()) -> Table:
    """Render a plan: the job, then each verdict with its number of rows and the first of them."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True, style="bold")
    table.add_column(no_wrap=True, justify="right")
    table.add_column(overflow="fold")
    for name, text in about:
        table.add_row(name, "", text)
    for verdict, count in plan.verdicts.items():
        samples = Text("\n").join(map(_sample, plan.samples.get(verdict, ())))
        table.add_row(verdict, f"{count:,}", samples)
    if plan.irreversible:
        table.add_row("irreversible", f"{plan.irreversible:,}", "cannot be undone once sent")
    if plan.billable:
        table.add_row("billable", f"{plan.billable:,}", "become active: a monthly fee starts")
    if plan.billable_later:
        table.add_row("billable later", f"{plan.billable_later:,}", _LATER)
    table.add_row("requests", f"{plan.requests:,}", "sent to read the SIMs")
    for note in plan.notes:
        table.add_row("note", "", Text(printable(note)))
    return table


def _sample(entry: Entry) -> Text:
    status = f" ({entry.before})" if entry.before else ""
    return Text(printable(f"line {entry.line}: {entry.name}{status}"))

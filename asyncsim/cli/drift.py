"""`asyncsim drift`: the SIMs that are not in the state that a file asks for."""

from __future__ import annotations

import shlex
from contextlib import aclosing
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from asyncsim.bulk import Journal, Report, find_drift, write_fix
from asyncsim.bulk.actions import describe
from asyncsim.cli.accounts import changes_of
from asyncsim.cli.bulk import Input, check_new_file, job_of
from asyncsim.cli.exits import CommandError, Exit
from asyncsim.cli.options import (
    Clear,
    Columns,
    Fleet,
    InputFile,
    Product,
    RatePlan,
    RowOutput,
    RunOptions,
    Vendor,
)
from asyncsim.cli.output import RowFormat, printer, say, until_reader_leaves
from asyncsim.cli.reports import impossible_rows
from asyncsim.cli.run import JobCommand, plan_only, scratch_journal
from asyncsim.cli.signals import on_hangup

_FIELDS = ("line", "name", "sid", "status", "wanted", "verdict")
_IN_A_TABLE = ("line", "name", "status", "wanted", "verdict")


async def drift(
    file: InputFile,
    /,
    *,
    product: Product = "supersim",
    vendor: Vendor = None,
    status: Annotated[str | None, Parameter(help="Wanted status.", show_default=False)] = None,
    fleet: Fleet = None,
    rate_plan: RatePlan = None,
    clear: Clear = None,
    columns: Columns = None,
    fix: Annotated[
        Path | None,
        Parameter(help="File for the job that brings them back.", show_default=False),
    ] = None,
    quiet: Annotated[
        bool, Parameter(help="Print no progress to stderr.", negative="", show_default=False)
    ] = False,
    output: RowOutput = "table",
) -> Exit:
    """Find the SIMs that are not in the state that a file asks for.

    Example: asyncsim drift fleet.csv --fix fix.csv
    """
    change = changes_of(product, status=status, fleet=fleet, rate_plan=rate_plan, clear=clear)
    job = job_of(Input(file=file, product=product, change=change, columns=columns))
    check_new_file("--fix", fix, file)
    run = JobCommand(job=job, vendor=vendor, options=RunOptions(quiet=quiet))
    with on_hangup(run.stop.set):
        async with scratch_journal() as journal:
            report = await plan_only(run, journal)
            with until_reader_leaves():
                drifted = await _print(journal, output)
            fixed = None if fix is None else await _write_fix(journal, fix)
    if not quiet:
        say(_summary(report, drifted))
        if fix is not None and fixed is not None:
            say(_how_to_fix(fix, fixed, product))
    return Exit.FAILED if drifted else Exit.OK


async def _print(journal: Journal, output: RowFormat) -> int:
    """Print the drifted SIMs; returns their number."""
    printed = printer(output, _FIELDS, _IN_A_TABLE)
    number = 0
    async with aclosing(find_drift(journal)) as drifted:
        async for sim in drifted:
            number += 1
            printed.row(
                {
                    "line": sim.line,
                    "name": sim.name,
                    "sid": sim.sid,
                    "status": sim.status,
                    "wanted": describe(sim.wanted),
                    "verdict": sim.verdict.value,
                }
            )
    if number or output != "table":
        printed.close()
    return number


async def _write_fix(journal: Journal, fix: Path) -> int:
    try:
        return await write_fix(journal, fix)
    except OSError as error:
        raise CommandError(error.strerror or str(error), Exit.FAILED) from error


def _summary(report: Report, drifted: int) -> str:
    assert report.plan is not None  # noqa: S101  # `plan_only` ends the command without one
    plan = report.plan
    text = (
        f"{drifted:,} of {plan.rows:,} SIMs are not in the state that {report.head.label} asks for"
    )
    if stuck := impossible_rows(plan):
        text += f"; for {stuck:,} of them no request leads there"
    requests = "1 request" if plan.requests == 1 else f"{plan.requests:,} requests"
    return f"{text} ({requests})"


def _how_to_fix(fix: Path, rows: int, product: str) -> str:
    if not rows:
        return f"{fix}: no SIM to bring back"
    option = " --product wireless" if product == "wireless" else ""
    command = f"asyncsim bulk change {shlex.quote(str(fix))}{option}"
    return f"{fix}: {rows:,} to bring back: {command}"

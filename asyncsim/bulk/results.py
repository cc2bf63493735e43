"""Result files of a job: all rows with their outcomes, rows for a new job, the report."""

from __future__ import annotations

import csv
import errno
import json
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, aclosing
from datetime import datetime
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import TypeVar, get_args

from attrs import frozen

from asyncsim.bulk.actions import Action
from asyncsim.bulk.atomic_file import AtomicFile, in_thread
from asyncsim.bulk.journal import Journal
from asyncsim.bulk.records import HOPELESS, Naming, Result, State
from asyncsim.bulk.report import Report

T = TypeVar("T")

_BATCH = 1000  # rows that a thread writes at once, while the event loop runs
_RESULTS, _FAILED, _UNKNOWN, _SUMMARY = "results.csv", "failed.csv", "unknown.csv", "summary.json"
# Unsuccessful or unfinished: a person may pass these to a new job.
_TO_REPEAT = frozenset({State.FAILED, State.IMPOSSIBLE, State.TIMED_OUT, State.NO_ANSWER})
# Texts that might arrive twice if passed to a new job.
_PERHAPS_SENT = frozenset({State.UNKNOWN, State.TIMED_OUT, State.SENDING, State.ACCEPTED})


@frozen(kw_only=True)
class WrittenResults:
    """The files written, and the number of rows in each."""

    results: Path
    """Every row, in input order."""
    failed: Path
    """Unsuccessful rows that can be passed to a new job."""
    unknown: Path | None
    """Rows of texts that may have been sent; a person decides whether to repeat them."""
    summary: Path
    """The report, as JSON."""
    rows: int
    failed_rows: int
    unknown_rows: int


async def write_results(
    journal: Journal, folder: str | os.PathLike[str], report: Report
) -> WrittenResults:
    """Write `results.csv`, `failed.csv` and `summary.json` into a folder, created if missing.

    A job that sends texts also gets `unknown.csv`. Existing files are replaced, each once it
    is complete. Raises OSError when the folder cannot be written, or holds the job's own input
    under one of these names; the journal keeps everything.
    """
    place = Path(folder)
    if journal.source is not None and replaces(place, journal.source):
        raise FileExistsError(
            errno.EEXIST, f"results in {place} would replace the job's own input, {journal.source}"
        )
    files = _ResultFiles(place, await _InputColumns.of(journal), report)
    try:
        await in_thread(files.open)
        batch: list[Result] = []
        async with aclosing(journal.results()) as results:
            async for result in results:
                batch.append(result)
                if len(batch) == _BATCH:
                    await in_thread(partial(files.write, batch))
                    batch = []
        await in_thread(partial(files.write, batch))
        return await in_thread(files.finish)
    except OSError as error:
        raise OSError(
            error.errno,
            f"results cannot be written to {place}: {error.strerror or error}; fix that or give"
            " another folder, then run the same command again: nothing is lost, the journal"
            f" {journal.target} has everything",
        ) from error
    finally:
        files.close()


def replaces(folder: Path, file: str | int) -> bool:
    """Tell whether results in a folder would replace a file, such as a `failed.csv` used as input.

    The file is named by its path, or by the descriptor that it is open as.
    """
    results = (folder / name for name in (_RESULTS, _FAILED, _UNKNOWN, _SUMMARY))
    exists = os.path.exists(file)  # noqa: PTH110 - descriptors are no paths
    return exists and any(one.exists() and os.path.samefile(one, file) for one in results)  # noqa: PTH121


class _ResultFiles:
    """The files of one job's results; all but the constructor may run in a thread."""

    def __init__(self, folder: Path, columns: _InputColumns, report: Report) -> None:
        self._folder = folder
        self._columns = columns
        self._report = report
        self._sends = report.head.action == Action.SEND
        self._stack = ExitStack()

    def open(self) -> None:
        """Create all files, under temporary names."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except FileExistsError:
            raise NotADirectoryError(errno.ENOTDIR, "it is a file, not a folder") from None
        table = partial(_ResultTable, self._folder, self._columns, self._stack)
        self._results = table(_RESULTS, {**_RESULT, **_CREATED} if self._sends else _RESULT)
        self._failed = table(_FAILED, _REASON)
        self._unknown = table(_UNKNOWN, _REASON) if self._sends else None

    def write(self, batch: Sequence[Result]) -> None:
        """Write rows, each into the files that it belongs in."""
        for result in batch:
            self._results.write(result)
            # A text that was created stays created if a later read gets no response.
            perhaps_sent = result.state in _PERHAPS_SENT or (
                result.state is State.NO_ANSWER and result.reference is not None
            )
            if result.state in _TO_REPEAT and not (self._sends and perhaps_sent):
                self._failed.write(result)
            if self._unknown is not None and perhaps_sent:
                self._unknown.write(result)

    def finish(self) -> WrittenResults:
        """Write the summary, and move all files to their names."""
        summary = self._stack.enter_context(AtomicFile(self._folder / _SUMMARY))
        json.dump(self._report.summary(), summary.file, indent=2, ensure_ascii=False)
        summary.file.write("\n")
        tables = [self._results, self._failed, *([self._unknown] if self._unknown else [])]
        # The summary last: once it exists, the other files are complete.
        for file in (*(table.file for table in tables), summary):
            file.commit()
        return WrittenResults(
            results=self._results.file.path,
            failed=self._failed.file.path,
            unknown=self._unknown.file.path if self._unknown else None,
            summary=summary.path,
            rows=self._results.rows,
            failed_rows=self._failed.rows,
            unknown_rows=self._unknown.rows if self._unknown else 0,
        )

    def close(self) -> None:
        """Remove unfinished files."""
        self._stack.close()


# The columns: first the input's own, unchanged, then those of the job.


class _ResultTable:
    """One CSV file: each row has the input's cells, then the job's columns."""

    def __init__(
        self, folder: Path, columns: _InputColumns, stack: ExitStack, file: str, added: _Added
    ) -> None:
        self.file = stack.enter_context(AtomicFile(folder / file))
        self.rows = 0
        self._columns = columns
        self._added = added
        self._writer = csv.writer(self.file.file, lineterminator="\n")
        taken = {one.strip().lower() for one in columns.header}
        headings = []
        for name in added:
            heading, number = f"asyncsim_{name}", 1
            while heading in taken:  # the input is a `failed.csv` of an earlier job
                number += 1
                heading = f"asyncsim_{name}_{number}"
            headings.append(heading)
        self._writer.writerow([*columns.header, *headings])

    def write(self, result: Result) -> None:
        """Write a row."""
        added = [_cell(value_of(result)) for value_of in self._added.values()]
        self._writer.writerow([*self._columns.cells(result), *added])
        self.rows += 1


@frozen(kw_only=True)
class _InputColumns:
    """The input's columns; generated if the input has no header."""

    header: tuple[str, ...]
    namings: tuple[str, ...] | None
    """Columns with bare names; None: the input had a header."""

    @classmethod
    async def of(cls, journal: Journal) -> _InputColumns:
        """Columns of the job's input; without a header, by a pass over its rows."""
        if journal.header is not None:
            return cls(header=journal.header, namings=None)
        found: set[Naming] = set()
        widest = 1
        async with aclosing(journal.results()) as results:
            async for result in results:
                found.add(result.naming)
                widest = max(widest, len(result.cells or ()))
        namings = tuple(one for one in get_args(Naming) if one in found)
        others = (f"column_{number}" for number in range(2, widest + 1))
        return cls(header=(*namings, *others), namings=namings)

    def cells(self, result: Result) -> Sequence[str]:
        """The input's cells of a row, unchanged."""
        cells = result.cells or (result.name,)
        if self.namings is None:
            return cells
        names = [cells[0] if result.naming == one else "" for one in self.namings]
        padding = [""] * (len(self.header) - len(names) - len(cells) + 1)
        return [*names, *cells[1:], *padding]


def _cell(value: object) -> str:
    """Format a value as a cell that no spreadsheet takes for a formula."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = f"{value:.3f}" if isinstance(value, float) else str(value)
    # A vendor's text is untrusted: "=HYPERLINK(...)" would run where the file is opened (OWASP,
    # "CSV Injection").
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def _message(result: Result) -> str | None:
    """Why a row did not reach its target."""
    if result.error is not None:
        return result.error
    if result.state is State.IMPOSSIBLE and result.verdict is not None:
        reason = HOPELESS[result.verdict].reason.format(status=result.before)
        return f"{result.verdict.value}: {reason}"
    if result.state in (State.SENDING, State.UNKNOWN):
        return "may have been sent: the run ended before a response came"
    return "accepted, not settled yet" if result.state is State.ACCEPTED else None


_Added = Mapping[str, Callable[[Result], object]]
# Column name, without the prefix that keeps it from being read as an input column -> value.
_REASON: _Added = {"result": attrgetter("state.value"), "reason": _message}
_RESULT: _Added = {
    "result": attrgetter("state.value"),
    "sid": attrgetter("sid"),
    "status_before": attrgetter("before"),
    "status": lambda result: result.status or result.before,
    "error": attrgetter("error_type"),
    "message": _message,
    "settled_by": attrgetter("settled_by"),
    "confirmed": attrgetter("confirmed"),
    "requests": attrgetter("requests"),
    "seconds": attrgetter("seconds"),
    "ended_at": attrgetter("ended_at"),
    "line": attrgetter("line"),
}
_CREATED: _Added = {"created": attrgetter("reference")}  # for actions that create a resource

"""Result files of a job: what became of each row, what to feed in again, what was counted."""

from __future__ import annotations

import asyncio
import csv
import errno
import json
import os
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import ExitStack, aclosing
from functools import partial
from pathlib import Path
from typing import TypeVar

from attrs import frozen

from asyncsim.bulk import sheets
from asyncsim.bulk.actions import Action
from asyncsim.bulk.drafts import Draft
from asyncsim.bulk.journal import Journal
from asyncsim.bulk.journal.store import to_the_end
from asyncsim.bulk.records import Result, State
from asyncsim.bulk.report import Report
from asyncsim.bulk.sheets import InputColumns

T = TypeVar("T")

_BATCH = 1000
_RESULTS, _FAILED, _UNKNOWN, _SUMMARY = "results.csv", "failed.csv", "unknown.csv", "summary.json"

_TO_REPEAT = frozenset({State.FAILED, State.IMPOSSIBLE, State.TIMED_OUT, State.NO_ANSWER})
"""Ended short of their goal, or left there: what a person may feed in again."""
_PERHAPS_SENT = frozenset({State.UNKNOWN, State.TIMED_OUT, State.SENDING, State.ACCEPTED})
"""Of texts: fed in again, they might arrive twice."""


@frozen(kw_only=True)
class Written:
    """The files that were written, and how many rows each has."""

    results: Path
    """Every row, in input order."""
    failed: Path
    """Rows that are not at their goal and can be fed in again."""
    unknown: Path | None
    """Rows of texts that may have been sent, so that repeating them is for people to decide."""
    summary: Path
    """The report, as JSON."""
    rows: int
    failed_rows: int
    unknown_rows: int


async def write_results(
    journal: Journal, folder: str | os.PathLike[str], report: Report
) -> Written:
    """Write `results.csv`, `failed.csv` and `summary.json` into a folder, made if need be.

    A job that sends texts gets `unknown.csv`, too. Files of that name are replaced, each once it
    is complete. Raises OSError when the folder cannot be written, or holds the job's own input
    under such a name; the journal keeps everything.
    """
    place = Path(folder)
    if journal.source is not None and replaces(place, journal.source):
        raise FileExistsError(
            errno.EEXIST, f"results in {place} would replace the job's own input, {journal.source}"
        )
    files = _Files(place, await sheets.input_columns(journal), report)
    try:
        await _in_thread(files.open)
        async with aclosing(_batches(journal)) as batches:
            async for batch in batches:
                await _in_thread(partial(files.write, batch))
        return await _in_thread(files.finish)
    except OSError as error:
        raise OSError(
            error.errno,
            f"results cannot be written to {place}: {error.strerror or error}; mend that or give"
            " another folder, then run the same command again: nothing is lost, the journal"
            f" {journal.target} has everything",
        ) from error
    finally:
        files.close()


def replaces(folder: Path, file: str | int) -> bool:
    """Tell whether results in a folder would replace a file, as a `failed.csv` given in again.

    The file is named by its path, or by the descriptor that it is open as.
    """
    found = (folder / name for name in (_RESULTS, _FAILED, _UNKNOWN, _SUMMARY))
    there = os.path.exists(file)  # noqa: PTH110 - descriptors are no paths
    return there and any(one.exists() and os.path.samefile(one, file) for one in found)  # noqa: PTH121


async def _batches(journal: Journal) -> AsyncGenerator[list[Result], None]:
    batch: list[Result] = []
    async with aclosing(journal.results()) as results:
        async for result in results:
            batch.append(result)
            if len(batch) == _BATCH:
                yield batch
                batch = []
    if batch:
        yield batch


async def _in_thread(work: Callable[[], T]) -> T:
    # Not cut off in the middle: it uses files that are closed next.
    return await to_the_end(asyncio.to_thread(work))


class _Files:
    """The files of one writing; all but the constructor may run in a thread."""

    def __init__(self, folder: Path, columns: InputColumns, report: Report) -> None:
        self._folder = folder
        self._columns = columns
        self._report = report
        self._sends = report.head.action == Action.SEND
        self._stack = ExitStack()

    def open(self) -> None:
        """Begin all files, under other names."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except FileExistsError:
            raise NotADirectoryError(errno.ENOTDIR, "it is a file, not a folder") from None
        everything = {**sheets.RESULT, **sheets.CREATED} if self._sends else sheets.RESULT
        self._results = self._table(_RESULTS, everything)
        self._failed = self._table(_FAILED, sheets.REASON)
        self._unknown = self._table(_UNKNOWN, sheets.REASON) if self._sends else None

    def _table(self, name: str, added: sheets.Added) -> _Table:
        draft = self._stack.enter_context(Draft(self._folder / name))
        return _Table(draft, self._columns, added)

    def write(self, batch: Sequence[Result]) -> None:
        """Write rows, each where it belongs."""
        self._results.write(batch)
        self._failed.write([one for one in batch if self._is_to_repeat(one)])
        if self._unknown is not None:
            self._unknown.write([one for one in batch if _is_perhaps_sent(one)])

    def _is_to_repeat(self, result: Result) -> bool:
        return result.state in _TO_REPEAT and not (self._sends and _is_perhaps_sent(result))

    def finish(self) -> Written:
        """Write the summary, and let all files take their places."""
        summary = self._stack.enter_context(Draft(self._folder / _SUMMARY))
        json.dump(self._report.summary(), summary.file, indent=2, ensure_ascii=False)
        summary.file.write("\n")
        tables = [self._results, self._failed, *([self._unknown] if self._unknown else [])]
        for draft in (*(table.draft for table in tables), summary):
            draft.take_place()
        return Written(
            results=self._results.draft.path,
            failed=self._failed.draft.path,
            unknown=self._unknown.draft.path if self._unknown else None,
            summary=summary.path,
            rows=self._results.rows,
            failed_rows=self._failed.rows,
            unknown_rows=self._unknown.rows if self._unknown else 0,
        )

    def close(self) -> None:
        """Remove what has not taken its place."""
        self._stack.close()


def _is_perhaps_sent(result: Result) -> bool:
    # Without an answer to a look at what was created: that it was created is known.
    created = result.state is State.NO_ANSWER and result.reference is not None
    return created or result.state in _PERHAPS_SENT


class _Table:
    """One CSV file."""

    def __init__(self, draft: Draft, columns: InputColumns, added: sheets.Added) -> None:
        self.draft = draft
        self.rows = 0
        self._columns = columns
        self._added = added
        self._writer = csv.writer(draft.file, lineterminator="\n")
        self._writer.writerow([*columns.header, *sheets.headings(added, columns.header)])

    def write(self, results: Iterable[Result]) -> None:
        """Write rows."""
        for result in results:
            self._writer.writerow(
                [*self._columns.cells(result), *sheets.cells(self._added, result)]
            )
            self.rows += 1

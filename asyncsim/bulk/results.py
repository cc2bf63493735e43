"""Result files of a job: what became of each row, what to feed in again, what was counted."""

from __future__ import annotations

import asyncio
import csv
import errno
import json
import os
import secrets
from collections.abc import AsyncGenerator, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import ExitStack, aclosing, suppress
from datetime import datetime
from functools import partial
from operator import attrgetter
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO, TypeVar, get_args

from attrs import frozen

from asyncsim.bulk.actions import Action
from asyncsim.bulk.journal import Journal
from asyncsim.bulk.journal.store import to_the_end
from asyncsim.bulk.records import Naming, Result, State, Verdict
from asyncsim.bulk.report import Report


class Draft:
    """A text file to be; leaving the context before `take_place` removes it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        """Its place."""
        # In the same folder: only there it can take its place in one step.
        self._draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")

    def __enter__(self) -> Self:
        self.file: TextIO = self._draft.open("x", encoding="utf-8", newline="")
        return self

    def take_place(self) -> None:
        """Put it where it belongs, once it is on disk."""
        self.file.flush()
        os.fsync(self.file.fileno())
        self.file.close()
        self._draft.replace(self.path)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with suppress(OSError):  # what could not be written is not wanted any more
            self.file.close()
        self._draft.unlink(missing_ok=True)


PREFIX = "asyncsim_"
"""How added columns begin, so that a job that reads them back takes none of them for its own."""
_HOPELESS = {
    Verdict.UNKNOWN: "unknown SIM: not in this account and product",
    Verdict.ILLEGAL: "illegal transition: no request leads there from {!r}",
    Verdict.TERMINAL: "terminal: nothing leads out of {!r}",
    Verdict.UNREADABLE: "unreadable: what the vendor shows of it cannot be read",
}
_OPEN = {
    State.SENDING: "perhaps sent: the run ended before an answer came",
    State.UNKNOWN: "perhaps sent: the run ended before an answer came",
    State.ACCEPTED: "accepted, not settled yet",
}
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@frozen(kw_only=True)
class InputColumns:
    """The input's columns; for input without a header, made up."""

    header: tuple[str, ...]
    namings: tuple[str, ...] | None
    """Which of them hold bare names; None: the input had a header."""

    def cells(self, result: Result) -> Sequence[str]:
        """The input's cells of a row, as they came."""
        cells = result.cells or (result.name,)
        if self.namings is None:
            return cells
        names = [cells[0] if result.naming == one else "" for one in self.namings]
        padding = [""] * (len(self.header) - len(names) - len(cells) + 1)
        return [*names, *cells[1:], *padding]


async def input_columns(journal: Journal) -> InputColumns:
    """Find out which columns the input has; one without a header is looked through for that."""
    if journal.header is not None:
        return InputColumns(header=journal.header, namings=None)
    namings: set[Naming] = set()
    widest = 1
    async with aclosing(journal.results()) as results:
        async for result in results:
            namings.add(result.naming)
            widest = max(widest, len(result.cells or ()))
    sorts = tuple(one for one in get_args(Naming) if one in namings)
    others = (f"column_{number}" for number in range(2, widest + 1))
    return InputColumns(header=(*sorts, *others), namings=sorts)


def headings(added: Added, taken: Collection[str]) -> list[str]:
    """Headings of added columns; one that the input has already gets a number."""
    known = {one.strip().lower() for one in taken}
    return [_free(PREFIX + name, known) for name in added]


def _free(heading: str, taken: Collection[str]) -> str:
    free, number = heading, 1
    while free in taken:
        number += 1
        free = f"{heading}_{number}"
    return free


def _harmless(value: object) -> str:
    """A value as a cell that no spreadsheet takes for a formula."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = f"{value:.3f}" if isinstance(value, float) else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def message_of(result: Result) -> str | None:
    """Why a row is not at its goal, in words."""
    if result.error is not None:
        return result.error
    if result.state is State.IMPOSSIBLE and result.verdict is not None:
        return _HOPELESS[result.verdict].format(result.before)
    return _OPEN.get(result.state)


Added = Mapping[str, Callable[[Result], object]]
"""Name of an added column, without the prefix -> what stands there."""
REASON: Added = {"result": attrgetter("state.value"), "reason": message_of}
"""What files to be fed in again add."""
RESULT: Added = {
    "result": attrgetter("state.value"),
    "sid": attrgetter("sid"),
    "status_before": attrgetter("before"),
    "status": lambda result: result.status or result.before,
    "error": attrgetter("error_type"),
    "message": message_of,
    "settled_by": attrgetter("settled_by"),
    "confirmed": attrgetter("confirmed"),
    "requests": attrgetter("requests"),
    "seconds": attrgetter("seconds"),
    "ended_at": attrgetter("ended_at"),
    "line": attrgetter("line"),
}
"""What the file of all results adds."""
CREATED: Added = {"created": attrgetter("reference")}
"""What it adds where each row creates something: its SID."""


def cells(added: Added, result: Result) -> list[str]:
    """What a job adds to a row."""
    return [_harmless(value(result)) for value in added.values()]


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
    files = _Files(place, await input_columns(journal), report)
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
        everything = {**RESULT, **CREATED} if self._sends else RESULT
        self._results = self._table(_RESULTS, everything)
        self._failed = self._table(_FAILED, REASON)
        self._unknown = self._table(_UNKNOWN, REASON) if self._sends else None

    def _table(self, name: str, added: Added) -> _Table:
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

    def __init__(self, draft: Draft, columns: InputColumns, added: Added) -> None:
        self.draft = draft
        self.rows = 0
        self._columns = columns
        self._added = added
        self._writer = csv.writer(draft.file, lineterminator="\n")
        self._writer.writerow([*columns.header, *headings(added, columns.header)])

    def write(self, results: Iterable[Result]) -> None:
        """Write rows."""
        for result in results:
            self._writer.writerow([*self._columns.cells(result), *cells(self._added, result)])
            self.rows += 1

"""Records of one kind, lists and single ones, in the chosen format and columns."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Any

from attrs import asdict, fields, frozen

from asyncsim import AsyncSimError, Pager
from asyncsim.cli.exits import CommandError, Exit, exit_code
from asyncsim.cli.output import Printer, Row, RowFormat, fail, print_one, printable, printer, say
from asyncsim.cli.streams import OutputLost, ReaderLeft
from asyncsim.suggestions import did_you_mean

PAGE = 1000  # rows; the largest page of both vendors
_AT_ONCE = 100  # names; the client's concurrency limit prevents throttling
_TOO_WIDE = ("url", "links")
_FAILURES = (AsyncSimError, CommandError, ValueError, OSError)


@frozen(kw_only=True)
class View:
    """How the records of one kind are printed."""

    format: RowFormat
    fields: Sequence[str]
    """All fields, or those chosen with `--columns`."""
    in_table: Sequence[str]
    """Columns of a table: without a choice, few that fit into 80 characters."""
    chosen: bool

    @classmethod
    def of(
        cls, model: type[Any], format: RowFormat, columns: str | None, in_table: Sequence[str]
    ) -> View:
        """Choose the columns; CommandError for an unknown one."""
        known = [field.name for field in fields(model)]
        if columns is None:
            return cls(format=format, fields=known, in_table=in_table, chosen=False)
        names = [name.strip().replace("-", "_") for name in columns.split(",") if name.strip()]
        for name in names:
            if name not in known:
                hint = did_you_mean(name, known, f"there are {', '.join(known)}")
                raise CommandError(f"--columns {name}: {hint}")
        return cls(format=format, fields=names, in_table=names, chosen=True)

    def printer(self) -> Printer:
        """Create a printer of many records."""
        return printer(self.format, self.fields, self.in_table)

    def row(self, record: Any) -> Row:
        """Return a record as a row of output."""
        values = asdict(record)
        return {name: values[name] for name in self.fields}

    def print_one(self, record: Any) -> None:
        """Print a single record; a table has one row per field."""
        row = self.row(record)
        if self.format == "table" and not self.chosen:
            row = {name: value for name, value in row.items() if name not in _TOO_WIDE}
        print_one(self.format, row)


# Lists.


class Listed:
    """The rows of a list, read page by page; counts the records that cannot be read."""

    def __init__(
        self, list_: Callable[..., Pager[Any]], filters: Row, view: View, limit: int | None
    ) -> None:
        self._pager = list_(**filters, page_size=min(PAGE, limit or PAGE))
        self._view = view
        self._limit = limit
        self._unreadable = 0

    async def rows(self) -> AsyncGenerator[tuple[str, Row], None]:
        """Yield SIDs and rows, up to the limit; unreadable records are reported on stderr."""
        left = self._limit
        async for page in self._pager.pages():
            for bad in page.bad:
                say(printable(str(bad.error)))
            self._unreadable += len(page.bad)
            for record in page.items[:left]:
                yield record.sid, self._view.row(record)
            left = None if left is None else left - len(page.items)
            if left is not None and left <= 0:
                return

    def check_complete(self) -> None:
        """Raise CommandError if records were left out."""
        if self._unreadable:
            number = self._unreadable
            lacks = "1 record was" if number == 1 else f"{number:,} records were"
            text = f"{lacks} left out of this list, because {'it' if number == 1 else 'they'}"
            raise CommandError(f"{text} cannot be read", Exit.FAILED)


async def print_list(
    list_: Callable[..., Pager[Any]], filters: Row, view: View, limit: int | None
) -> None:
    """Print a list; an unreadable record hides no other, but the list is not a success then."""
    printed, listed = view.printer(), Listed(list_, filters, view, limit)
    async with aclosing(listed.rows()) as rows:
        async for _, row in rows:
            printed.row(row)
    printed.close()
    listed.check_complete()


# Single records.


async def print_each(
    names: Sequence[str], work: Callable[[str], Awaitable[Any]], view: View, *, sent: bool = False
) -> Exit:
    """Do work for each name, concurrently, and print the records in the order of the names.

    A name that fails stops no other, and is reported on stderr. `sent`: the work changes
    something, which a message about lost output says.
    """
    if twice := {name for name in names if names.count(name) > 1}:
        raise CommandError(f"{min(twice)} is named twice")
    room = asyncio.Semaphore(_AT_ONCE)

    async def one(name: str) -> Any:
        async with room:
            return await work(name)

    tasks = [asyncio.create_task(one(name)) for name in names]
    errors: list[Exception] = []
    lost: OutputLost | None = None
    single = len(names) == 1 and view.format in ("table", "json")
    printed: Printer | None = None
    try:
        for name, task in zip(names, tasks, strict=True):
            try:
                record = await task
            except _FAILURES as error:
                if len(names) == 1:
                    raise
                errors.append(error)
                fail(f"{name}: {error}")
                continue
            try:
                if single:
                    view.print_one(record)
                else:
                    printed = printed or view.printer()  # not before: it may print a header
                    printed.row(view.row(record))
                sys.stdout.flush()
            except OutputLost as error:
                lost = error  # the work for the others goes on
        if printed is not None and lost is None:
            printed.close()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    if lost is not None and not errors:
        if sent and not isinstance(lost, ReaderLeft):
            raise CommandError(f"the change was sent, but {lost}", lost.code)
        raise lost
    return _exit_code(errors)


def _exit_code(errors: Sequence[Exception]) -> Exit:
    """Choose the exit code of several names: credentials fail all, a failure outweighs delay."""
    codes = {exit_code(error) for error in errors}
    if Exit.CREDENTIALS in codes:
        return Exit.CREDENTIALS
    return Exit.OK if not codes else Exit.PENDING if codes == {Exit.PENDING} else Exit.FAILED

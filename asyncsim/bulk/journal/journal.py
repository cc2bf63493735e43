"""`Journal`: one job's rows and how far each has come, in one SQLite file."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Sequence
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from sqlalchemy import ColumnElement, RowMapping, Update, func, null, select, true, update
from sqlalchemy.ext.asyncio import AsyncConnection

from asyncsim.bulk.journal import plans, queries, statistics
from asyncsim.bulk.journal.database import (
    Database,
    execute,
    fetch,
    finish_despite_cancel,
    read_secret,
)
from asyncsim.bulk.journal.queries import InputSummary, in_states
from asyncsim.bulk.journal.schema import rows, runs
from asyncsim.bulk.journal.writer import Step, StepKind, Writer, write_steps
from asyncsim.bulk.records import (
    UNFINISHED,
    Duplicate,
    Ending,
    Entry,
    Head,
    JobRun,
    Planned,
    Result,
    Row,
    State,
    Statistics,
)
from asyncsim.clock import SYSTEM_CLOCK, Clock
from asyncsim.errors import JournalError

P = ParamSpec("P")
T = TypeVar("T")

_CHUNK = 500
"""Rows that are read at once; between two chunks others may write, so no transaction is long."""


class Journal:
    """One job: its input, and how far each of its rows has come. Used with `async with`.

    One process at a time writes it, others may read it meanwhile (`read_only=True`). What a method
    has returned from is on disk, except where it says that it is buffered.
    """

    def __init__(self, target: str, *, read_only: bool, clock: Clock) -> None:
        self.target = target
        """The path as it was given; for messages."""
        self._clock = clock
        self._read_only = read_only
        self._database = Database(target, clock, read_only=read_only)
        self._open_writer: Writer | None = None
        self._secret = ""
        self._input = InputSummary()
        self._run = 0
        self._planning = plans.PlanningPass(0, frozenset())

    @classmethod
    def open(
        cls,
        target: str | os.PathLike[str],
        *,
        read_only: bool = False,
        clock: Clock | None = None,
    ) -> Journal:
        """Return the journal at this path; `async with` opens it, and makes it if need be.

        `read_only` reads an existing one, also while a run writes it. Raises JournalError where
        none can be: another program's file, in use, not writable, ...
        """
        return cls(os.fspath(target), read_only=read_only, clock=clock or SYSTEM_CLOCK)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.target}>"

    async def __aenter__(self) -> Self:
        if self._database.is_open:
            raise JournalError(f"journal {self.target} is open already")
        try:
            await finish_despite_cancel(self._database.open())
            # What callers ask for without waiting is read now.
            self._secret = await self._database.read(read_secret)
            found = await self._database.read(queries.read_job)
            self._input = found[1] if found else InputSummary()
        except BaseException:  # a cancellation, too: the lock must not outlive this
            await finish_despite_cancel(self._database.close())
            raise
        if not self._read_only:
            self._open_writer = Writer(self._write_steps, self._clock)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        unreported = await finish_despite_cancel(self._close())
        if unreported is not None and error is None:
            raise unreported
        if unreported is not None and error is not None:
            error.add_note(str(unreported))

    async def _close(self) -> JournalError | None:
        # The rest of the buffer first, then the file; the file is closed even if that fails.
        try:
            return await self._open_writer.close() if self._open_writer is not None else None
        finally:
            self._open_writer = None
            await self._database.close()

    @property
    def _writer(self) -> Writer:
        if self._open_writer is None:
            self._database.check_open()
            raise JournalError(f"journal {self.target} was opened for reading only")
        return self._open_writer

    async def _write_steps(self, steps: Sequence[Step]) -> None:
        await self._database.write(write_steps, steps)

    async def _read(
        self,
        work: Callable[Concatenate[AsyncConnection, P], Awaitable[T]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Read what is there, including all that was buffered before."""
        # A caller that has just recorded a step expects to see it.
        if self._open_writer is not None:
            await self._open_writer.flush()
        return await self._database.read(work, *args, **kwargs)

    async def _write(
        self,
        work: Callable[Concatenate[AsyncConnection, P], Awaitable[T]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Write after all that was buffered before."""
        await self._writer.flush()
        return await self._database.write(work, *args, **kwargs)

    async def _next_rows(
        self,
        columns: Sequence[ColumnElement[Any]],
        condition: ColumnElement[bool],
        *,
        after: int,
        chunk: int = _CHUNK,
    ) -> Sequence[RowMapping]:
        """Return the next rows in input order."""
        following = select(*columns).where(rows.c.number > after, condition)
        return await self._read(fetch, following.order_by(rows.c.number).limit(chunk))

    async def _count(self, condition: ColumnElement[bool]) -> int:
        counted = select(func.count().label("rows")).select_from(rows).where(condition)
        [found] = await self._read(fetch, counted)
        return int(found["rows"])

    async def _update(self, statement: Update) -> int:
        return await self._write(execute, statement)

    @property
    def ticket_secret(self) -> str:
        """What the tickets of the job's callbacks are signed with; never shown."""
        return self._secret

    # The job and its input.

    @property
    def header(self) -> tuple[str, ...] | None:
        """Columns of the input; None where it has no header, or is not complete."""
        return self._input.header

    @property
    def applied(self) -> tuple[str, ...]:
        """Keywords that were taken from columns."""
        return self._input.applied

    @property
    def digest(self) -> str | None:
        """SHA-256 of the input; None until it is complete."""
        return self._input.digest

    @property
    def notes(self) -> tuple[str, ...]:
        """What was odd in the input."""
        return self._input.notes

    @property
    def source(self) -> str | None:
        """Path of the file that the input was read from; None where it was no file."""
        return self._input.source

    async def head(self) -> Head | None:
        """Return whose the journal is; None without a job, or if its input is not complete."""
        found = await self._read(queries.read_job)
        return found[0] if found else None

    async def begin_job(self, head: Head) -> bool:
        """Make it this job's. True: its input has to be read; False: it is there, go on.

        Rows of a reading that was cut off are dropped. JournalError where it belongs to
        another job, saying what differs.
        """
        is_new = await self._write(queries.begin_job, head, self.target)
        self._database.holds_job = True
        return is_new

    async def add_rows(self, some: Sequence[Row]) -> None:
        """Write rows of the input."""
        await self._write(queries.add_rows, some)

    async def complete_input(
        self,
        *,
        header: Sequence[str] | None,
        applied: Sequence[str],
        digest: str,
        notes: Sequence[str],
        source: str | None = None,
    ) -> None:
        """Record that the input is complete; after a crash before that it is read again."""
        summary = InputSummary(
            header=None if header is None else tuple(header),
            applied=tuple(applied),
            digest=digest,
            notes=tuple(notes),
            source=source,
        )
        await self._write(queries.complete_input, summary, self._clock.utcnow())
        self._input = summary  # not before: what is not on disk is not known to the next run

    async def discard_job(self) -> None:
        """Delete the job; a file that was made for it goes when the journal is closed."""
        await self._write(queries.discard_job)
        self._database.holds_job = False
        self._input = InputSummary()

    async def duplicate_names(self, most: int = 1000) -> list[Duplicate]:
        """Return the names that occur more than once in the input."""
        return await self._read(queries.find_duplicates, rows.c.name, most)

    # Runs and planning passes.

    async def begin_run(self, *, retry_failed: bool = False) -> int:
        """Begin a run by this process; returns its number, from 1.

        `retry_failed`: it tries again what has failed, and what it does not come to is left to the
        next run. Until its request goes out, such a row stays failed and keeps its error.
        """
        if retry_failed:
            failed = update(rows).where(rows.c.state == State.FAILED)
            await self._update(failed.values(retry=True))
        self._run = await self._write(queries.begin_run, self._clock.utcnow())
        return self._run

    async def cancel_retries(self) -> None:
        """Leave failed rows as they are, though they were to be tried again."""
        await self._update(update(rows).where(rows.c.retry).values(retry=False))

    async def count_retries(self) -> int:
        """Count the failed rows that are still to be tried again."""
        return await self._count(rows.c.retry)

    async def end_run(self, reason: str | None) -> None:
        """Record that the run is over, and why early; None if it was not."""
        this = update(runs).where(runs.c.number == self._run)
        await self._update(this.values(ended_at=self._clock.utcnow(), reason=reason))

    async def runs(self) -> list[JobRun]:
        """Return all runs of the job, the first one first."""
        found = await self._read(fetch, select(*queries.RUN).order_by(runs.c.number))
        return [JobRun(**row) for row in found]

    async def reopen_unconfirmed(self) -> int:
        """Make rows that only a callback has reported as done ACCEPTED again; returns how many.

        While a job sends, a signed callback is believed: a read for each would double its requests.
        One list scan at the end confirms them all.
        """
        unconfirmed = update(rows).where(rows.c.state == State.DONE, rows.c.confirmed.is_(False))
        return await self._update(unconfirmed.values(state=State.ACCEPTED, ended_at=null()))

    async def begin_plan(self, states: Collection[State]) -> int:
        """Begin a planning pass over all rows in these states; returns how many there are."""
        self._planning = await self._write(plans.begin_pass, states)
        return await self.count_unplanned()

    async def count_unplanned(self) -> int:
        """Count the rows that the pass has still to judge."""
        return await self._count(self._planning.unplanned)

    async def match_unplanned(self, names: Collection[str]) -> list[Entry]:
        """Return the rows still to judge whose name or SID is among these."""
        return await self._read(plans.match, self._planning, names)

    async def record_plan(self, planned: Sequence[Planned]) -> None:
        """Write what the pass says of these rows, all or nothing."""
        await self._write(plans.record_plan, self._planning, planned, self._clock.utcnow())

    async def unplanned(self, chunk: int = 1000) -> AsyncGenerator[list[Entry], None]:
        """Iterate over the rows still to judge, in input order; they may be planned meanwhile."""
        after, condition = 0, self._planning.unplanned
        while some := await self._next_rows(queries.ENTRY, condition, after=after, chunk=chunk):
            yield [Entry(**row) for row in some]
            after = some[-1]["number"]

    async def approve(self) -> None:
        """Record that somebody has agreed to the changes that are planned, irreversible or not."""
        planned = in_states(UNFINISHED - {State.READ} | {State.FAILED})
        await self._update(update(rows).where(planned).values(approved=True))

    async def duplicate_sims(self, most: int = 1000) -> list[Duplicate]:
        """Return the SIMs that several rows turned out to mean."""
        return await self._read(queries.find_duplicates, rows.c.sid, most)

    # What becomes of single rows.

    async def entries(self, states: Collection[State]) -> AsyncGenerator[Entry, None]:
        """Iterate over rows in these states, in input order; each is given once.

        Of failed rows only those that are to be tried again.
        """
        after = 0
        while some := await self._next_rows(queries.ENTRY, in_states(states), after=after):
            for row in some:
                yield Entry(**row)
            after = some[-1]["number"]

    async def record_intent(self, number: int) -> None:
        """Record that its request will go out; returns once that is on disk."""
        # Waited for: after a kill, a row without an intent counts as never sent, and is sent.
        await self._writer.commit(Step(StepKind.INTENT, number))

    async def record_unsent(self, number: int) -> None:
        """Record that it was not sent after all; buffered."""
        await self._writer.buffer(Step(StepKind.UNSENT, number))

    async def record_accepted(self, number: int, *, reference: str | None = None) -> None:
        """Record that the vendor has accepted it; buffered."""
        # Buffered, as all that follows an intent: what a kill loses, one read of the SIM tells.
        values = {"new_reference": reference, "now": self._clock.utcnow()}
        await self._writer.buffer(Step(StepKind.ACCEPTED, number, values))

    async def record_ending(self, number: int, ending: Ending) -> None:
        """Record how it ended, or where it was left; buffered."""
        await self._writer.buffer(Step.ended(number, ending, self._clock.utcnow()))

    async def flush(self) -> None:
        """Return once all that was buffered is on disk."""
        await self._writer.flush()

    # What a report needs.

    async def counts(self) -> dict[State, int]:
        """Count rows by state."""
        return await self._read(statistics.count_states)

    async def statistics(self) -> Statistics:
        """Count all that a report shows, over the whole job."""
        return await self._read(statistics.read_statistics)

    async def results(
        self, states: Collection[State] | None = None
    ) -> AsyncGenerator[Result, None]:
        """Iterate over all rows, or those in these states, in input order."""
        after, condition = 0, true() if states is None else rows.c.state.in_(states)
        while some := await self._next_rows(queries.RESULT, condition, after=after):
            for row in some:
                cells = row["cells"]
                yield Result(**{**row, "cells": None if cells is None else tuple(cells)})
            after = some[-1]["number"]

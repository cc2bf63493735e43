"""`Journal`: one job's rows and their progress, in one SQLite file."""

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
"""Rows read at once; between two chunks other transactions may write, so none is long."""


class Journal:
    """One job: its input, and the progress of each row. Used with `async with`.

    One process at a time writes it, others may read it meanwhile (`read_only=True`). When a method
    returns, its changes are on disk, unless it says that they are buffered.
    """

    def __init__(self, target: str, *, read_only: bool, clock: Clock) -> None:
        self.target = target
        """The path as given; for messages."""
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
        """Return the journal at this path; `async with` opens it, creating it if needed.

        `read_only` reads an existing one, also while a run writes it. Raises JournalError if
        that is impossible: another program's file, in use, not writable, ...
        """
        return cls(os.fspath(target), read_only=read_only, clock=clock or SYSTEM_CLOCK)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.target}>"

    async def __aenter__(self) -> Self:
        if self._database.is_open:
            raise JournalError(f"journal {self.target} is open already")
        try:
            await finish_despite_cancel(self._database.open())
            # The values of synchronous properties are read now.
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
        # Flush the buffer first, then close the file, even if flushing fails.
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
        """Read, after writing everything buffered before."""
        # A caller that has just recorded a step expects to read it.
        if self._open_writer is not None:
            await self._open_writer.flush()
        return await self._database.read(work, *args, **kwargs)

    async def _write(
        self,
        work: Callable[Concatenate[AsyncConnection, P], Awaitable[T]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Write, after everything buffered before."""
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
        """The secret that signs the tickets of the job's callbacks; never shown."""
        return self._secret

    # The job and its input.

    @property
    def header(self) -> tuple[str, ...] | None:
        """Columns of the input; None if it has no header or is incomplete."""
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
        """Warnings about the input."""
        return self._input.notes

    @property
    def source(self) -> str | None:
        """Path of the file that the input was read from; None if it was not a file."""
        return self._input.source

    async def head(self) -> Head | None:
        """Return the job's identity; None without a job, or if its input is incomplete."""
        found = await self._read(queries.read_job)
        return found[0] if found else None

    async def begin_job(self, head: Head) -> bool:
        """Start or resume this job. True: its input has to be read; False: it is complete.

        Rows of an interrupted reading are dropped. JournalError if it belongs to
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
        self._input = summary  # only now: the next run knows only what is on disk

    async def discard_job(self) -> None:
        """Delete the job; a file created for it is removed when the journal is closed."""
        await self._write(queries.discard_job)
        self._database.holds_job = False
        self._input = InputSummary()

    async def duplicate_names(self, most: int = 1000) -> list[Duplicate]:
        """Return the names that occur more than once in the input."""
        return await self._read(queries.find_duplicates, rows.c.name, most)

    # Runs and planning passes.

    async def begin_run(self, *, retry_failed: bool = False) -> int:
        """Start a run by this process; returns its number, from 1.

        `retry_failed`: it retries failed rows, and leaves those that it does not reach to the
        next run. Until its request is sent, such a row stays failed and keeps its error.
        """
        if retry_failed:
            failed = update(rows).where(rows.c.state == State.FAILED)
            await self._update(failed.values(retry=True))
        self._run = await self._write(queries.begin_run, self._clock.utcnow())
        return self._run

    async def cancel_retries(self) -> None:
        """Cancel the pending retries of failed rows."""
        await self._update(update(rows).where(rows.c.retry).values(retry=False))

    async def count_retries(self) -> int:
        """Count the failed rows that are still to be retried."""
        return await self._count(rows.c.retry)

    async def end_run(self, reason: str | None) -> None:
        """Record the end of the run, and why it ended early, or None."""
        this = update(runs).where(runs.c.number == self._run)
        await self._update(this.values(ended_at=self._clock.utcnow(), reason=reason))

    async def runs(self) -> list[JobRun]:
        """Return all runs of the job, the first one first."""
        found = await self._read(fetch, select(*queries.RUN).order_by(runs.c.number))
        return [JobRun(**row) for row in found]

    async def reopen_unconfirmed(self) -> int:
        """Reset rows whose end only a callback has reported to ACCEPTED; returns how many.

        While a job sends, a signed callback is trusted: a read for each would double its requests.
        One list scan at the end confirms them all.
        """
        unconfirmed = update(rows).where(rows.c.state == State.DONE, rows.c.confirmed.is_(False))
        return await self._update(unconfirmed.values(state=State.ACCEPTED, ended_at=null()))

    async def begin_plan(self, states: Collection[State]) -> int:
        """Start a planning pass over all rows in these states; returns how many there are."""
        self._planning = await self._write(plans.begin_pass, states)
        return await self.count_unplanned()

    async def count_unplanned(self) -> int:
        """Count the rows that the pass still has to judge."""
        return await self._count(self._planning.unplanned)

    async def match_unplanned(self, names: Collection[str]) -> list[Entry]:
        """Return the rows still to judge whose name or SID is among these."""
        return await self._read(plans.match, self._planning, names)

    async def record_plan(self, planned: Sequence[Planned]) -> None:
        """Write the pass's verdicts on these rows, all or none."""
        await self._write(plans.record_plan, self._planning, planned, self._clock.utcnow())

    async def unplanned(self, chunk: int = 1000) -> AsyncGenerator[list[Entry], None]:
        """Iterate over the rows still to judge, in input order; they may be planned meanwhile."""
        after, condition = 0, self._planning.unplanned
        while some := await self._next_rows(queries.ENTRY, condition, after=after, chunk=chunk):
            yield [Entry(**row) for row in some]
            after = some[-1]["number"]

    async def approve(self) -> None:
        """Record that the planned changes are confirmed, even if they are irreversible."""
        planned = in_states(UNFINISHED - {State.READ} | {State.FAILED})
        await self._update(update(rows).where(planned).values(approved=True))

    async def duplicate_sims(self, most: int = 1000) -> list[Duplicate]:
        """Return the SIMs that several rows turned out to name."""
        return await self._read(queries.find_duplicates, rows.c.sid, most)

    # Steps of single rows.

    async def entries(self, states: Collection[State]) -> AsyncGenerator[Entry, None]:
        """Iterate over rows in these states, in input order; each is given once.

        Of failed rows, only those to be retried.
        """
        after = 0
        while some := await self._next_rows(queries.ENTRY, in_states(states), after=after):
            for row in some:
                yield Entry(**row)
            after = some[-1]["number"]

    async def record_intent(self, number: int) -> None:
        """Record the intent to send its request; returns once that is on disk."""
        # Not buffered: after a kill, a row without an intent counts as never sent, and is sent.
        await self._writer.commit(Step(StepKind.INTENT, number))

    async def record_unsent(self, number: int) -> None:
        """Record that it was not sent after all; buffered."""
        await self._writer.buffer(Step(StepKind.UNSENT, number))

    async def record_accepted(self, number: int, *, reference: str | None = None) -> None:
        """Record that the vendor has accepted it; buffered."""
        # Buffered, like all steps after an intent: a step lost by a kill is recovered by one read.
        values = {"new_reference": reference, "now": self._clock.utcnow()}
        await self._writer.buffer(Step(StepKind.ACCEPTED, number, values))

    async def record_ending(self, number: int, ending: Ending) -> None:
        """Record its end, or the state in which it was left; buffered."""
        await self._writer.buffer(Step.ended(number, ending, self._clock.utcnow()))

    async def flush(self) -> None:
        """Return once everything buffered is on disk."""
        await self._writer.flush()

    # What a report needs.

    async def counts(self) -> dict[State, int]:
        """Count rows by state."""
        return await self._read(statistics.count_states)

    async def statistics(self) -> Statistics:
        """Count everything that a report shows, over the whole job."""
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

"""`Journal`: one job's rows and their progress, in a SQLite file or a PostgreSQL database."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Sequence
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy import ColumnElement, RowMapping, Update, func, null, select, true, update
from sqlalchemy.ext.asyncio import AsyncConnection

from asyncsim.bulk.journal import jobs, plans, queries, statistics
from asyncsim.bulk.journal.claims import DEAD_AFTER, release_job
from asyncsim.bulk.journal.database import Database, execute, fetch
from asyncsim.bulk.journal.queries import InputSummary, StoredJob, in_states
from asyncsim.bulk.journal.schema import rows, runs
from asyncsim.bulk.journal.scope import Scope
from asyncsim.bulk.journal.session import JournalSession
from asyncsim.bulk.journal.writer import Step, StepKind
from asyncsim.bulk.records import (
    UNFINISHED,
    ChunkClaim,
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

P = ParamSpec("P")
T = TypeVar("T")

_CHUNK = 500
"""Rows read at once; between two chunks other transactions may write, so none is long."""


class Journal(JournalSession):
    """One job: its input, and the progress of each row. Used with `async with`.

    One process at a time writes a file, or a job in PostgreSQL, or a chunk of one; others may read
    it meanwhile (`read_only=True`). When a method returns, its changes are on disk, unless it says
    that they are buffered.
    """

    _run = 0
    _planning: plans.PlanningPass | None = None

    @classmethod
    def open(
        cls,
        target: str | os.PathLike[str],
        *,
        job: str | None = None,
        chunk: ChunkClaim | None = None,
        database: Database | None = None,
        read_only: bool = False,
        clock: Clock | None = None,
    ) -> Journal:
        """Return the journal at this path or URL; `async with` opens it.

        A file is created if needed. `postgresql://...` is a database of many jobs: `job` names
        one, and `asyncsim jobs migrate` has created the tables.

        - `read_only`: reads an existing one, also while a run writes it.
        - `chunk`: limits everything to one chunk, which the caller has claimed.
        - `database`: an open database to use, which stays open.

        Raises JournalError if that is impossible: another program's file, in use, not writable, ...
        """
        return cls(
            os.fspath(target),
            job=job,
            chunk=chunk,
            database=database,
            read_only=read_only,
            clock=clock or SYSTEM_CLOCK,
        )

    def reader(self) -> Journal:
        """Return the same journal for reading only, whichever process owns its rows."""
        return type(self).open(self._location, job=self.job_name, read_only=True)

    async def _next_rows(
        self,
        columns: Sequence[ColumnElement[Any]],
        condition: ColumnElement[bool],
        *,
        after: int,
        chunk: int = _CHUNK,
    ) -> Sequence[RowMapping]:
        """Return the next rows in input order."""
        following = select(*columns).where(self._scope.rows, rows.c.number > after, condition)
        return await self.read(fetch, following.order_by(rows.c.number).limit(chunk))

    async def _count(self, condition: ColumnElement[bool]) -> int:
        counted = select(func.count().label("rows")).select_from(rows)
        [found] = await self.read(fetch, counted.where(self._scope.rows, condition))
        return int(found["rows"])

    async def _update(self, *conditions: ColumnElement[bool], **values: Any) -> int:
        statement = update(rows).where(self._scope.rows, *conditions).values(values)
        return await self.write(execute, statement)

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
        found = await self._stored()
        return None if found is None else found.head

    async def _stored(self) -> StoredJob | None:
        if self._database.is_shared and not self._scope.job:
            return None
        return await self.read(queries.read_job, job_id=self._scope.job or None)

    async def begin_job(self, head: Head) -> bool:
        """Start or resume this job. True: its input has to be read; False: it is complete.

        Rows of an interrupted reading are dropped. JournalError if it belongs to
        another job, saying what differs.
        """
        found = await self._stored()
        if found is None:
            await self._add_job(head)
        elif found.head is None:
            await self.write(queries.restart_job, found.id, head)
        else:
            queries.check_same(found.head, head, self.target)
        self._database.holds_job = True
        return found is None or found.head is None

    async def _add_job(self, head: Head) -> None:
        name, now = self.job_name or head.label, self._clock.utcnow()
        job_id = await self.write(queries.add_job, head, name, self.ticket_secret, now, self.target)
        self.job_name = name
        self._scope = Scope(job_id, self._scope.is_alone)
        if self._database.is_shared:
            self._claim = await self._hold.take(job_id)

    async def add_rows(self, some: Sequence[Row]) -> None:
        """Write rows of the input."""
        await self.write(queries.add_rows, self._scope.job, some)

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
        now = self._clock.utcnow()
        await self.write(queries.complete_input, self._scope.job, summary, now)
        self._input = summary  # only now: the next run knows only what is on disk

    async def check_input_is_alone(self) -> list[str]:
        """JournalError if another job sends the same changes; returns such jobs that have ended."""
        if not self._database.is_shared:  # a file holds one job
            return []
        dead = self._database.now(-DEAD_AFTER)
        return await self.read(jobs.check_input_is_alone, self._scope.job, dead)

    async def discard_job(self) -> None:
        """Delete the job; a file created for it is removed when the journal is closed."""
        await self.write(queries.discard_job, self._scope.job)
        self._claim = None
        await self._hold.release()
        self._scope = Scope(0, self._scope.is_alone)
        self._database.holds_job = False
        self._input = InputSummary()

    async def duplicate_names(self, most: int = 1000) -> list[Duplicate]:
        """Return the names that occur more than once in the input."""
        return await self.read(queries.find_duplicates, self._scope, rows.c.name, most)

    # Runs and planning passes.

    async def begin_run(self, *, retry_failed: bool = False) -> int:
        """Start a run by this process; returns its number, from 1.

        `retry_failed`: it retries failed rows, and leaves those that it does not reach to the
        next run. Until its request is sent, such a row stays failed and keeps its error.
        """
        if retry_failed:
            await self._update(rows.c.state == State.FAILED, retry=True)
        now = self._clock.utcnow()
        self._run = await self.write(queries.begin_run, self._scope.job, now)
        return self._run

    async def cancel_retries(self) -> None:
        """Cancel the pending retries of failed rows."""
        await self._update(rows.c.retry, retry=False)

    async def count_retries(self) -> int:
        """Count the failed rows that are still to be retried."""
        return await self._count(rows.c.retry)

    async def end_run(self, reason: str | None) -> None:
        """Record the end of the run, and why it ended early, or None; once for each run."""
        if self._run:
            ended = self._run_ended(reason)

            async def ending(connection: AsyncConnection) -> None:
                await execute(connection, ended)
                await jobs.finish_if_complete(connection, self._scope.job, self._database.now())

            await self.write(ending)
            self._run = 0

    def _run_ended(self, reason: str | None) -> Update:
        this = (runs.c.job == self._scope.job, runs.c.number == self._run)
        return update(runs).where(*this).values(ended_at=self._clock.utcnow(), reason=reason)

    async def hand_over(
        self,
        work: Callable[Concatenate[AsyncConnection, P], Awaitable[T]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """As `write`; the same transaction ends the run and releases the whole job.

        From then on this journal only reads.
        """
        # With two transactions, this process might die in between. Another process could then claim
        # the whole job and send all rows, while workers send them, too.
        claim, run_ended = self._claim, self._run_ended(None)

        async def handing_over(connection: AsyncConnection) -> T:
            result = await work(connection, *args, **kwargs)
            await execute(connection, run_ended)
            if claim is not None:
                await release_job(connection, claim)
            return result

        result = await self.write(handing_over)
        self._run = 0
        await self._only_read()
        return result

    async def runs(self) -> list[JobRun]:
        """Return all runs of the job, the first one first."""
        ours = select(*queries.RUN).where(runs.c.job == self._scope.job)
        found = await self.read(fetch, ours.order_by(runs.c.number))
        return [JobRun(**row) for row in found]

    async def reopen_unconfirmed(self) -> int:
        """Reset rows whose end only a callback has reported to ACCEPTED; returns how many.

        While a job sends, a signed callback is trusted: a read for each would double its requests.
        One list scan at the end confirms them all.
        """
        unconfirmed = (rows.c.state == State.DONE, rows.c.confirmed.is_(False))
        return await self._update(*unconfirmed, state=State.ACCEPTED, ended_at=null())

    async def begin_plan(self, states: Collection[State]) -> int:
        """Start a planning pass over all rows in these states; returns how many there are."""
        self._planning = await self.write(plans.begin_pass, states, self._scope)
        return await self.count_unplanned()

    @property
    def _current_pass(self) -> plans.PlanningPass:
        return self._planning or plans.PlanningPass(0, frozenset(), self._scope)

    async def count_unplanned(self) -> int:
        """Count the rows that the pass still has to judge."""
        return await self._count(self._current_pass.unplanned)

    async def match_unplanned(self, names: Collection[str]) -> list[Entry]:
        """Return the rows still to judge whose name or SID is among these."""
        return await self.read(plans.match, self._current_pass, names)

    async def record_plan(self, planned: Sequence[Planned]) -> None:
        """Write the pass's verdicts on these rows, all or none."""
        await self.write(plans.record_plan, self._current_pass, planned, self._clock.utcnow())

    async def unplanned(self, chunk: int = 1000) -> AsyncGenerator[list[Entry], None]:
        """Iterate over the rows still to judge, in input order; they may be planned meanwhile."""
        after, condition = 0, self._current_pass.unplanned
        while some := await self._next_rows(queries.ENTRY, condition, after=after, chunk=chunk):
            yield [Entry(**row) for row in some]
            after = some[-1]["number"]

    async def approve(self) -> None:
        """Record that the planned changes are confirmed, even if they are irreversible."""
        planned = in_states(UNFINISHED - {State.READ} | {State.FAILED})
        await self._update(planned, approved=True)

    async def duplicate_sims(self, most: int = 1000) -> list[Duplicate]:
        """Return the SIMs that several rows turned out to name."""
        return await self.read(queries.find_duplicates, self._scope, rows.c.sid, most)

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
        return await self.read(statistics.count_states, self._scope)

    async def statistics(self) -> Statistics:
        """Count everything that a report shows, over the whole job."""
        return await self.read(statistics.read_statistics, self._scope)

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

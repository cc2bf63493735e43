"""`Journal`: one job's rows and how far each has come, in a file that survives everything."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Collection, Sequence

from asyncsim.bulk.journal import doubles, entries, history, intake, moves, plans, statistics
from asyncsim.bulk.journal.schema import rows
from asyncsim.bulk.journal.session import Session
from asyncsim.bulk.journal.store import Store
from asyncsim.bulk.records import (
    Duplicate,
    Ending,
    Entry,
    Head,
    Planned,
    Result,
    Row,
    Run,
    State,
    Statistics,
)
from asyncsim.clock import SYSTEM_CLOCK, Clock

_CHUNK = 500
"""Rows that are read at once; between two chunks everything may change."""


class Journal(Session):
    """One job: its input, and how far each of its rows has come. Used with `async with`.

    One process at a time writes it, others may look in (`read_only=True`). What a method has
    returned from is on disk, except where it says that it is buffered.
    """

    def __init__(self, target: str, *, read_only: bool, clock: Clock) -> None:
        super().__init__(target, read_only=read_only, clock=clock)
        self._input = intake.Sealed()
        self._run = 0
        self._look = plans.Look(0, frozenset())

    @classmethod
    def open(
        cls,
        target: str | os.PathLike[str],
        *,
        read_only: bool = False,
        clock: Clock | None = None,
    ) -> Journal:
        """Return the journal at this path; `async with` opens it, and makes it if need be.

        `read_only` looks into an existing one, also while a run writes it. Raises JournalError
        where none can be: another program's file, in use, not writable, ...
        """
        return cls(os.fspath(target), read_only=read_only, clock=clock or SYSTEM_CLOCK)

    async def _recall(self, store: Store) -> None:
        await super()._recall(store)
        self._input = await store.read(intake.sealed)

    @property
    def ticket_secret(self) -> str:
        """What the tickets of the job's callbacks are signed with; never shown."""
        return self._secret

    # The job and its input.

    @property
    def header(self) -> tuple[str, ...] | None:
        """Columns of the input; None where it has no header, or is not all there."""
        return self._input.header

    @property
    def applied(self) -> tuple[str, ...]:
        """Keywords that were taken from columns."""
        return self._input.applied

    @property
    def digest(self) -> str | None:
        """Of the input; None as long as it is not all there."""
        return self._input.digest

    @property
    def notes(self) -> tuple[str, ...]:
        """What was odd in the input."""
        return self._input.notes

    @property
    def source(self) -> str | None:
        """Path of the file that it was read from; None where it was no file."""
        return self._input.source

    async def head(self) -> Head | None:
        """Whose the journal is; None without a job, or with one whose input is not all there."""
        return await self._read(intake.head)

    async def begin(self, head: Head) -> bool:
        """Make it this job's. True: its input has to be read; False: it is there, go on.

        Rows of a reading that was cut off are dropped. JournalError where it belongs to
        another job, saying what differs.
        """
        new = await self._write(intake.begin, head, self.target)
        self._door.used = True
        return new

    async def add(self, some: Sequence[Row]) -> None:
        """Write rows of the input down."""
        await self._write(intake.add, some)

    async def seal(
        self,
        *,
        header: Sequence[str] | None,
        applied: Sequence[str],
        digest: str,
        notes: Sequence[str],
        source: str | None = None,
    ) -> None:
        """Note that the input is all there; until then a crash makes it be read again."""
        columns = None if header is None else tuple(header)
        what = intake.Sealed(
            header=columns,
            applied=tuple(applied),
            digest=digest,
            notes=tuple(notes),
            source=source,
        )
        await self._write(intake.seal, what, self._clock.utcnow())
        self._input = what

    async def discard(self) -> None:
        """Forget the job; a file that was made for it goes when the journal is closed."""
        await self._write(intake.discard)
        self._door.used = False
        self._input = intake.Sealed()

    async def repeated(self, most: int = 1000) -> list[Duplicate]:
        """Return the names that occur more than once in the input."""
        return await self._read(doubles.doubles, rows.c.name, most)

    # Runs, and looks at the SIMs.

    async def begin_run(self, *, retry_failed: bool = False) -> int:
        """Begin a run by this process; returns its number, from 1.

        `retry_failed`: it tries again what has failed, and what it does not come to is left to the
        next run. Until its request goes out, such a row stays failed and keeps its error.
        """
        if retry_failed:
            await self._write(plans.retry)
        self._run = await self._write(history.begin, self._clock.utcnow())
        return self._run

    async def retry_nothing(self) -> None:
        """Leave failed rows as they are, though they were to be tried again."""
        await self._write(plans.retry_nothing)

    async def retries(self) -> int:
        """How many failed rows are still to be tried again."""
        return await self._read(plans.retries)

    async def end_run(self, reason: str | None) -> None:
        """Note that it is over, and why early; None if it was not."""
        await self._write(history.end, self._run, reason, self._clock.utcnow())

    async def runs(self) -> list[Run]:
        """Return all runs of the job, the first one first."""
        return await self._read(history.every)

    async def doubt(self) -> int:
        """Take rows that are DONE by word of a callback alone for ACCEPTED; returns how many."""
        return await self._write(plans.doubt)

    async def begin_plan(self, states: Collection[State]) -> int:
        """Begin a look at all rows that are in these states now; returns how many there are."""
        self._look = await self._write(plans.begin, states)
        return await self.to_plan()

    async def to_plan(self) -> int:
        """How many rows the look has still to judge."""
        return await self._read(plans.left, self._look)

    async def match(self, names: Collection[str]) -> list[Entry]:
        """Return those still to judge whose name or SID is among these."""
        return await self._read(plans.match, self._look, names)

    async def plan(self, planned: Sequence[Planned]) -> None:
        """Write down what the look says of these rows, all or nothing."""
        await self._write(plans.plan, self._look, planned, self._clock.utcnow())

    async def unplanned(self, chunk: int = 1000) -> AsyncGenerator[list[Entry], None]:
        """Iterate over those still to judge, in input order; they may be planned meanwhile."""
        after = 0
        while some := await self._read(plans.some_ahead, self._look, after, chunk):
            yield some
            after = some[-1].number

    async def approve(self) -> None:
        """Note that somebody has agreed to what the look has in store for rows, even for ever."""
        await self._write(plans.approve)

    async def duplicate_sims(self, most: int = 1000) -> list[Duplicate]:
        """Return the SIMs that several rows turned out to mean."""
        return await self._read(doubles.doubles, rows.c.sid, most)

    # What becomes of single rows.

    async def feed(self, states: Collection[State]) -> AsyncGenerator[Entry, None]:
        """Iterate over rows in these states, in input order; each is given once.

        Of failed rows only those that are to be tried again.
        """
        after = 0
        while some := await self._read(entries.some_entries, states, after, _CHUNK):
            for entry in some:
                yield entry
            after = some[-1].number

    async def intent(self, number: int) -> None:
        """Record that its request will go out; returns once that is on disk."""
        await self._writer.commit(moves.Move(moves.Kind.INTENT, number))

    async def back(self, number: int) -> None:
        """Record that it was not sent after all; buffered."""
        await self._writer.buffer(moves.Move(moves.Kind.BACK, number))

    async def accepted(self, number: int, *, reference: str | None = None) -> None:
        """Record that the vendor has accepted it; buffered."""
        await self._writer.buffer(moves.accepted(number, reference, self._clock.utcnow()))

    async def ended(self, number: int, ending: Ending) -> None:
        """Record how it ended, or where it was left; buffered."""
        await self._writer.buffer(moves.ended(number, ending, self._clock.utcnow()))

    async def flush(self) -> None:
        """Return once all that was buffered is on disk."""
        await self._writer.flush()

    # What a report needs.

    async def counts(self) -> dict[State, int]:
        """Count rows by state."""
        return await self._read(statistics.counts)

    async def statistics(self) -> Statistics:
        """Count all that a report shows, over the whole job."""
        return await self._read(statistics.statistics)

    async def results(
        self, states: Collection[State] | None = None
    ) -> AsyncGenerator[Result, None]:
        """Iterate over all rows, or those in these states, in input order."""
        after = 0
        while some := await self._read(entries.some_results, states, after, _CHUNK):
            for result in some:
                yield result
            after = some[-1].number

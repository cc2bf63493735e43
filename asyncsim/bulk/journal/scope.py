"""The scope of a journal: the job, and perhaps the chunk, to which its statements are limited."""

from __future__ import annotations

from functools import cached_property

from attrs import frozen
from sqlalchemy import ColumnElement, and_, true

from asyncsim.bulk.journal.schema import rows


@frozen
class Scope:
    """The rows of one job, or of one of its chunks."""

    job: int
    """Its id; 0, which no job has, before it has begun."""
    is_alone: bool
    """It is the only job of its database, a SQLite file."""
    first: int | None = None
    """First and last row of the chunk; None: the whole job."""
    last: int | None = None

    @cached_property
    def rows(self) -> ColumnElement[bool]:
        """The condition on `rows`."""
        # Without a condition on the job, SQLite finds duplicates by an index alone, without reading
        # a million rows in the order of their names.
        ours = true() if self.is_alone else rows.c.job == self.job
        return (
            ours if self.first is None else and_(ours, rows.c.number.between(self.first, self.last))
        )

"""One pass over the input of a job."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Mapping
from typing import Any

from asyncsim.bulk.input.columns import Wanted
from asyncsim.bulk.input.making import RowMaker
from asyncsim.bulk.input.problems import Problems
from asyncsim.bulk.input.sources import Source
from asyncsim.bulk.records import Row


class Reading:
    """Rows in batches, and what is known of all of them after the last.

    A problem does not end the reading, so that all are found at once.
    """

    def __init__(self, source: Source, wanted: Wanted, change: Mapping[str, Any]) -> None:
        self.problems = Problems(source.unit)
        """What is wrong with the input; complete after the last batch."""
        self._label = source.label
        self.path = source.path
        """Where the input lies, if it is a file."""
        self._feed = source.open(self.problems)
        self._maker = RowMaker(wanted, change, self.problems)

    async def batches(self) -> AsyncGenerator[list[Row], None]:
        """Give up to 1,000 rows at once; rows with problems are left out."""
        try:
            while (rows := await self._feed.take(self._maker.make)) is not None:
                if rows:
                    yield rows
                if self._maker.stopped:
                    break
        finally:
            self._feed.close()
        if not self._maker.rows and not self.problems:
            self.problems.add(f"{self._label} names no SIM")

    @property
    def header(self) -> tuple[str, ...] | None:
        """Columns of the input as they are called there; None if it has only names."""
        return self._maker.header

    @property
    def applied(self) -> tuple[str, ...]:
        """Keywords that are taken from columns, once the first batch has come."""
        return self._maker.columns.applied

    @property
    def digest(self) -> str:
        """SHA-256 over number, name, change and cells of all rows, after the last batch."""
        return self._maker.digest

    @property
    def rows(self) -> int:
        """Rows read so far, those with problems included."""
        return self._maker.rows

    @property
    def notes(self) -> tuple[str, ...]:
        """What is odd and no problem."""
        return tuple(self._notes())

    def _notes(self) -> Iterator[str]:
        maker = self._maker
        if maker.odd.count:
            zeros = f"; {maker.zeros:,} of them end in zeros, as rounded numbers do"
            yield (
                f"{maker.odd.count:,} ICCID{'s' if maker.odd.count > 1 else ''} with a wrong check"
                f" digit, {maker.odd}{zeros if maker.zeros else ''};"
                " they are looked for as they are"
            )
        yield from maker.columns.notes

"""From rows of the table to the records that the rest of the house knows."""

from __future__ import annotations

from collections.abc import Collection

from attrs import fields
from sqlalchemy import RowMapping, case, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from asyncsim.bulk.journal.schema import in_states, rows
from asyncsim.bulk.records import Entry, Result, State

ENTRY = tuple(rows.c[field.name] for field in fields(Entry))
"""The columns of an `Entry`."""

# A row of which the plan says that it cannot be has no error, but the plan says why.
_error = case(
    (rows.c.state == State.IMPOSSIBLE, func.coalesce(rows.c.error, rows.c.note)), else_=rows.c.error
)
_RESULT = tuple(
    _error.label("error") if field.name == "error" else rows.c[field.name]
    for field in fields(Result)
)


def entry(row: RowMapping) -> Entry:
    """Make the record of a row that was selected as `ENTRY`."""
    return Entry(**row)


def _result(row: RowMapping) -> Result:
    values = dict(row)
    if values["cells"] is not None:
        values["cells"] = tuple(values["cells"])
    return Result(**values)


async def some_entries(
    connection: AsyncConnection, states: Collection[State], after: int, most: int
) -> list[Entry]:
    """Return the next rows in these states, in input order; failed ones only to be tried again."""
    asked = select(*ENTRY).where(rows.c.number > after, in_states(states))
    result = await connection.execute(asked.order_by(rows.c.number).limit(most))
    return [entry(row) for row in result.mappings()]


async def some_results(
    connection: AsyncConnection, states: Collection[State] | None, after: int, most: int
) -> list[Result]:
    """Return the next rows with all that is known of them, in input order."""
    asked = select(*_RESULT).where(rows.c.number > after)
    if states is not None:
        asked = asked.where(rows.c.state.in_(states))
    result = await connection.execute(asked.order_by(rows.c.number).limit(most))
    return [_result(row) for row in result.mappings()]

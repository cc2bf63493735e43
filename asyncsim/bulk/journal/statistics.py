"""What a report counts; counted by the database, so that a million rows stay where they are."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, func, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from asyncsim.bulk.journal.schema import rows
from asyncsim.bulk.records import FailureGroup, State, Statistics

_done = rows.c.state == State.DONE


async def counts(connection: AsyncConnection) -> dict[State, int]:
    """Rows by state; only those that occur."""
    return await _by(connection, rows.c.state)


async def statistics(connection: AsyncConnection) -> Statistics:
    """Count everything, as of one moment."""
    states = await counts(connection)
    confirmed = await _by(connection, rows.c.confirmed, _done)
    requests = await _by(connection, rows.c.state, amount=func.sum(rows.c.requests))
    done = states.get(State.DONE, 0)
    return Statistics(
        rows=sum(states.values()),
        states=states,
        failures=await _failures(connection),
        impossible=await _by(connection, rows.c.verdict, rows.c.state == State.IMPOSSIBLE),
        settled_by=await _by(connection, rows.c.settled_by, _done),
        confirmed=confirmed.get(True, 0),
        unconfirmed=confirmed.get(False, 0),
        **await _seconds(connection, done),
        requests=sum(requests.values()),
        requests_done=requests.get(State.DONE, 0),
    )


async def _by(
    connection: AsyncConnection,
    column: ColumnElement[Any],
    which: ColumnElement[bool] | None = None,
    amount: ColumnElement[int] | None = None,
) -> dict[Any, int]:
    asked = select(column, func.count() if amount is None else amount).group_by(column)
    result = await connection.execute(
        asked.where(true() if which is None else which, column.is_not(None))
    )
    return {row[0]: row[1] for row in result}


async def _failures(connection: AsyncConnection) -> dict[str, FailureGroup]:
    each = (
        select(
            rows.c.error_type, func.count().label("times"), func.min(rows.c.number).label("first")
        )
        .where(rows.c.error_type.is_not(None))
        .group_by(rows.c.error_type)
        .subquery()
    )
    asked = select(each.c.error_type, each.c.times, rows.c.error).join(
        rows, rows.c.number == each.c.first
    )
    return {
        name: FailureGroup(error_type=name, rows=times, sample=text)
        for name, times, text in await connection.execute(asked.order_by(each.c.times.desc()))
    }


async def _seconds(connection: AsyncConnection, done: int) -> dict[str, float | None]:
    """Return the percentiles by nearest rank, in one sorting."""
    ranks = {"p50": 50, "p95": 95, "p99": 99, "slowest": 100}
    measured = (_done, rows.c.seconds.is_not(None))
    total = (await connection.execute(select(func.count()).where(*measured))).scalar_one()
    place = func.row_number().over(order_by=rows.c.seconds).label("place")
    each = select(rows.c.seconds, place).where(*measured).subquery()
    places = {name: -(-rank * total // 100) for name, rank in ranks.items()}
    asked = select(each.c.place, each.c.seconds).where(each.c.place.in_(set(places.values())))
    found = {row.place: row.seconds for row in await connection.execute(asked)}
    return {name: found.get(place) for name, place in places.items()}

"""Statistics of a job, counted by the database: a million rows are never loaded for a report."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, and_, func, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from asyncsim.bulk.journal.schema import rows
from asyncsim.bulk.journal.scope import Scope
from asyncsim.bulk.records import FailureGroup, State, Statistics

_RANKS = {"p50": 50, "p95": 95, "p99": 99, "slowest": 100}  # percent
_done = rows.c.state == State.DONE


async def count_states(connection: AsyncConnection, scope: Scope) -> dict[State, int]:
    """Count rows by state; only those that occur."""
    return await _count_by(connection, scope, rows.c.state)


async def read_statistics(connection: AsyncConnection, scope: Scope) -> Statistics:
    """Count everything, in one snapshot."""
    states = await count_states(connection, scope)
    confirmed = await _count_by(connection, scope, rows.c.confirmed, _done)
    # Of all rows, as failed ones have cost requests, too; DONE rows are counted separately.
    requests = await _count_by(connection, scope, rows.c.state, amount=func.sum(rows.c.requests))
    return Statistics(
        rows=sum(states.values()),
        states=states,
        failures=await _group_failures(connection, scope),
        impossible=await _count_by(
            connection, scope, rows.c.verdict, rows.c.state == State.IMPOSSIBLE
        ),
        settled_by=await _count_by(connection, scope, rows.c.settled_by, _done),
        confirmed=confirmed.get(True, 0),
        unconfirmed=confirmed.get(False, 0),
        **await _percentiles(connection, scope),
        requests=sum(requests.values()),
        requests_done=requests.get(State.DONE, 0),
    )


async def _count_by(
    connection: AsyncConnection,
    scope: Scope,
    column: ColumnElement[Any],
    condition: ColumnElement[bool] | None = None,
    amount: ColumnElement[int] | None = None,
) -> dict[Any, int]:
    counted = select(column, func.count() if amount is None else amount).group_by(column)
    result = await connection.execute(
        counted.where(scope.rows, true() if condition is None else condition, column.is_not(None))
    )
    return {row[0]: row[1] for row in result}


async def _group_failures(connection: AsyncConnection, scope: Scope) -> dict[str, FailureGroup]:
    """Group failed rows by class of error, the largest group first."""
    each = (
        select(
            rows.c.error_type, func.count().label("times"), func.min(rows.c.number).label("first")
        )
        .where(scope.rows, rows.c.error_type.is_not(None))
        .group_by(rows.c.error_type)
        .subquery()
    )
    groups = select(each.c.error_type, each.c.times, rows.c.error).join(
        rows, and_(scope.rows, rows.c.number == each.c.first)
    )
    return {
        name: FailureGroup(error_type=name, rows=times, sample=sample)
        for name, times, sample in await connection.execute(groups.order_by(each.c.times.desc()))
    }


async def _percentiles(connection: AsyncConnection, scope: Scope) -> dict[str, float | None]:
    """Return the percentiles of the seconds by nearest rank, with one sort in the database."""
    # Nearest rank: each is the time of an actual SIM, even if few were measured.
    measured = (scope.rows, _done, rows.c.seconds.is_not(None))
    total = (
        await connection.execute(select(func.count()).select_from(rows).where(*measured))
    ).scalar_one()
    place = func.row_number().over(order_by=rows.c.seconds).label("place")
    each = select(rows.c.seconds, place).where(*measured).subquery()
    places = {name: -(-rank * total // 100) for name, rank in _RANKS.items()}
    wanted = select(each.c.place, each.c.seconds).where(each.c.place.in_(set(places.values())))
    found = {row.place: row.seconds for row in await connection.execute(wanted)}
    return {name: found.get(place) for name, place in places.items()}

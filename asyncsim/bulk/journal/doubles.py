"""Rows of one input that name the same SIM."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Column, Text, cast, distinct, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from asyncsim.bulk.journal.schema import rows
from asyncsim.bulk.records import Duplicate

_LINES = 5


async def doubles(connection: AsyncConnection, column: Column[Any], most: int) -> list[Duplicate]:
    """Return what several rows have in this column, in the order of their first rows."""
    several = (
        select(column)
        .where(column.is_not(None))
        .group_by(column)
        .having(func.count() > 1)
        .order_by(func.min(rows.c.number))
        .limit(most)
    )
    names = (await connection.execute(several)).scalars().all()
    found: list[Duplicate] = []
    # In portions: a statement has a limit of parameters.
    for start in range(0, len(names), 500):
        found += await _described(connection, column, names[start : start + 500])
    return found


async def _described(
    connection: AsyncConnection, column: Column[Any], names: Sequence[str]
) -> list[Duplicate]:
    lines = await _first_lines(connection, column, names)
    # As text, and with a text for none: what is not there would not be counted.
    change = func.coalesce(cast(rows.c.change, Text), "")
    counted = select(column, func.count(), func.count(distinct(change))).group_by(column)
    result = await connection.execute(counted.where(column.in_(names)))
    told = {
        name: Duplicate(name=name, lines=tuple(lines[name]), times=times, conflicting=different > 1)
        for name, times, different in result
    }
    return [told[name] for name in names]


async def _first_lines(
    connection: AsyncConnection, column: Column[Any], names: Sequence[str]
) -> dict[str, list[int]]:
    place = func.row_number().over(partition_by=column, order_by=rows.c.number).label("place")
    placed = select(column.label("name"), rows.c.number, rows.c.line, place)
    each = placed.where(column.in_(names)).subquery()
    first = select(each.c.name, each.c.line).where(each.c.place <= _LINES)
    lines: defaultdict[str, list[int]] = defaultdict(list)
    for name, line in await connection.execute(first.order_by(each.c.number)):
        lines[name].append(line)
    return lines

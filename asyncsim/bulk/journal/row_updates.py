"""Statements that update many rows at once, each with its own values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    ARRAY,
    JSON,
    ColumnElement,
    Integer,
    Text,
    bindparam,
    cast,
    column,
    func,
    insert,
    literal,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.selectable import TableValuedAlias
from sqlalchemy.types import TypeEngine

from asyncsim.bulk.journal.database import to_json
from asyncsim.bulk.journal.schema import rows

Value = Callable[[str], ColumnElement[Any]]
_JOB = bindparam("job_id", type_=Integer)


def given_rows(types: Mapping[str, TypeEngine[Any]]) -> TableValuedAlias:
    """A table of given values in PostgreSQL: one parameter, an array, for each column."""
    # Not `VALUES (...), (...)`: that statement would have another text for each number of rows, and
    # SQLAlchemy would compile every one of them.
    arrays = [bindparam(f"all_{name}", type_=ARRAY(kind)) for name, kind in types.items()]
    columns = [column(name, kind) for name, kind in types.items()]
    return func.unnest(*arrays).table_valued(*columns, name="given").render_derived()


def as_arrays(
    types: Mapping[str, TypeEngine[Any]], values: Sequence[Mapping[str, Any]]
) -> dict[str, list[Any]]:
    """The parameters of `given_rows`."""
    return {f"all_{name}": [one[name] for one in values] for name in types}


class RowUpdate:
    """An UPDATE of rows by number."""

    # SQLite executes it once for each row, which costs little in the same process. PostgreSQL would
    # parse and plan it for each: prepared statements would save that, but pgbouncer hands every
    # transaction to another session, which does not know them. So there one statement updates all.

    def __init__(
        self,
        types: Mapping[str, TypeEngine[Any]],
        changes: Callable[[Value], Mapping[str, Any]],
    ) -> None:
        self._types = {"row": Integer(), **types}
        self._each = (
            update(rows)
            .where(rows.c.job == _JOB, rows.c.number == bindparam("row", type_=Integer))
            .values(changes(lambda name: bindparam(name, type_=types[name])))
        )
        given = given_rows(self._types)
        self._all = (
            update(rows)
            .where(rows.c.job == _JOB, rows.c.number == given.c.row)
            .values(changes(lambda name: given.c[name]))
        )

    async def execute(
        self, connection: AsyncConnection, job: int, values: Sequence[Mapping[str, Any]]
    ) -> int:
        """Update rows, each given once; returns how many there were."""
        if connection.dialect.name == "postgresql":
            arrays: dict[str, Any] = as_arrays(self._types, values)
            return (await connection.execute(self._all, {"job_id": job, **arrays})).rowcount
        each = [{"job_id": job, **one} for one in values]
        return (await connection.execute(self._each, each)).rowcount


class RowInsert:
    """An INSERT of rows of the input; as `RowUpdate`, one statement in PostgreSQL."""

    def __init__(self, names: Sequence[str], **same: Any) -> None:
        self._json = frozenset(name for name in names if isinstance(rows.c[name].type, JSON))
        self._types: dict[str, TypeEngine[Any]] = {
            name: Text() if name in self._json else rows.c[name].type for name in names
        }
        self._each = insert(rows).values(same)
        given = given_rows(self._types)
        columns = [
            cast(given.c[name], rows.c[name].type) if name in self._json else given.c[name]
            for name in names
        ]
        constants = [literal(value, rows.c[name].type) for name, value in same.items()]
        self._all = insert(rows).from_select(
            ["job", *names, *same], select(_JOB, *columns, *constants)
        )

    async def execute(
        self, connection: AsyncConnection, job: int, values: Sequence[Mapping[str, Any]]
    ) -> None:
        """Insert rows."""
        if connection.dialect.name != "postgresql":
            await connection.execute(self._each, [{"job": job, **one} for one in values])
            return
        arrays: dict[str, Any] = as_arrays(self._types, values)
        for name in self._json:
            texts = arrays[f"all_{name}"]
            arrays[f"all_{name}"] = [None if one is None else to_json(one) for one in texts]
        await connection.execute(self._all, {"job_id": job, **arrays})

"""The tables of a journal, readable in an SQL shell."""

from __future__ import annotations

import enum
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Dialect,
    Enum,
    Float,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    false,
    text,
)
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import TypeDecorator

from asyncsim.bulk.records import State, Verdict

FORMAT = 1
"""Incremented when an older asyncsim could no longer read the tables."""


class UtcDateTime(TypeDecorator[datetime]):
    """An aware datetime as ISO text in UTC, so that the texts sort by time.

    SQLAlchemy's own DateTime drops the time zone in SQLite.
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:
        """To `2026-11-21T11:00:00.000000Z`."""
        if value is None:
            return None
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:
        """Parse that text, to an aware datetime."""
        return None if value is None else datetime.fromisoformat(value)


def _words(kind: type[enum.StrEnum], *, constraint: str | None = None) -> Enum:
    """Members of an enumeration by value, not by their names in the code."""
    return Enum(
        kind,
        name=constraint,
        native_enum=False,
        create_constraint=constraint is not None,
        values_callable=lambda members: [one.value for one in members],
    )


_JSON = JSON(none_as_null=True)
metadata = MetaData()

# One row: the journal itself, and the process that has it open. `needs_wal`: see
# `JournalFile.check_wal`.
journal = Table(
    "journal",
    metadata,
    Column("format", Integer, primary_key=True, autoincrement=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("ticket_secret", Text, nullable=False),
    Column("needs_wal", Boolean, nullable=False, server_default=false()),
    Column("opened_by_process", Integer),
    Column("opened_on_host", Text),
)

# No row or one: the job, and the facts about its input once that was read completely.
# `looks` counts the planning passes.
job = Table(
    "job",
    metadata,
    Column("product", Text, nullable=False, primary_key=True),
    Column("action", Text, nullable=False),
    Column("change", _JSON, nullable=False),
    Column("vendor", Text, nullable=False),
    Column("account", Text, nullable=False),
    Column("label", Text, nullable=False),
    Column("looks", Integer, nullable=False, server_default="0"),
    Column("read_completely_at", UtcDateTime),
    Column("header", _JSON),
    Column("applied", _JSON),
    Column("digest", Text),
    Column("notes", _JSON),
    Column("source", Text),
)

# One row per row of the input. `look` is the last planning pass that has judged this row: a pass
# finds what it has not judged yet by a smaller number, also after a crash.
# `sent`: an earlier pass found it in doubt, so this job may have brought it to its target.
# `retry`: a failed row is to be retried; until its request is sent it keeps its error.
# `error`: of a row in state `impossible`, the reason; that is no failure, so without `error_type`.
rows = Table(
    "rows",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("line", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("naming", Text, nullable=False),
    Column("iccid", Text),
    # A manual repair in a shell must not be able to store an unknown state.
    Column("state", _words(State, constraint="known_state"), nullable=False),
    Column("look", Integer, nullable=False, server_default="0"),
    Column("verdict", _words(Verdict)),
    Column("sid", Text),
    Column("before", Text),
    Column("status", Text),
    Column("error_type", Text),
    Column("error", Text),
    Column("error_parts", Text),
    Column("settled_by", Text),
    Column("confirmed", Boolean, nullable=False, server_default=false()),
    Column("approved", Boolean, nullable=False, server_default=false()),
    Column("sent", Boolean, nullable=False, server_default=false()),
    Column("retry", Boolean, nullable=False, server_default=false()),
    Column("requests", Integer, nullable=False, server_default="0"),
    Column("seconds", Float),
    Column("accepted_at", UtcDateTime),
    Column("ended_at", UtcDateTime),
    Column("reference", Text),
    Column("change", _JSON),
    Column("cells", _JSON),
)
# A page of the vendor's list is matched with the rows by both; without an index each of a
# thousand pages would read a million rows.
Index("rows_by_name", rows.c.name)
Index("rows_by_sid", rows.c.sid)

runs = Table(
    "runs",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
    Column("reason", Text),
    Column("pid", Integer, nullable=False),
    Column("host", Text, nullable=False),
)

_PROGRESS = """
CREATE VIEW progress AS
SELECT state, verdict, error_type, count(*) AS number_of_rows
FROM rows GROUP BY state, verdict, error_type
"""


async def create_tables(connection: AsyncConnection) -> None:
    """Create the tables, and a view for people."""
    await connection.run_sync(metadata.create_all)
    await connection.execute(text(_PROGRESS))

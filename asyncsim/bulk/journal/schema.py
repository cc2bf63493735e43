"""The tables of journals, readable in an SQL shell; a SQLite file has one job, PostgreSQL many."""

from __future__ import annotations

import enum
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    TIMESTAMP,
    Boolean,
    Column,
    Dialect,
    Enum,
    Float,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    false,
    text,
)
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import DDLCompiler
from sqlalchemy.types import TypeDecorator, TypeEngine

from asyncsim.bulk.records import State, Verdict

FORMAT = 2
"""Incremented when an older asyncsim could no longer read the tables."""


SCHEMA = "asyncsim"
"""The PostgreSQL schema of all tables; a SQLite file has none."""


def storable(text: str) -> str:
    """Replace characters that databases cannot store: a vendor's message must not end a job."""
    # Half a surrogate pair, which JSON may hold; and NUL, which PostgreSQL rejects.
    return text.encode(errors="replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")


class UtcDateTime(TypeDecorator[datetime]):
    """An aware datetime: `timestamptz` in PostgreSQL, in SQLite ISO text in UTC.

    The texts sort by time. SQLAlchemy's own DateTime drops the time zone in SQLite.
    """

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """The type in this database."""
        shared = dialect.name == "postgresql"
        return dialect.type_descriptor(TIMESTAMP(timezone=True) if shared else Text())

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """To `2026-11-21T11:00:00.000000Z`, or as it is."""
        if value is None or dialect.name == "postgresql":
            return value
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:
        """To an aware datetime in UTC."""
        if isinstance(value, str):
            return datetime.fromisoformat(value)
        # PostgreSQL returns it in the time zone of its settings.
        return None if value is None else value.astimezone(UTC)


class _RowKey(PrimaryKeyConstraint):
    """The key (`job`, `number`); in SQLite `number` alone, because a file holds one job."""

    # Alone it is the rowid: a row is found without an index, and files of format 1 have it, too.


@compiles(_RowKey, "sqlite")
def _only_number(key: _RowKey, compiler: DDLCompiler, **options: Any) -> str:
    return "PRIMARY KEY (number)"


@compiles(_RowKey)
def _job_and_number(key: _RowKey, compiler: DDLCompiler, **options: Any) -> str:
    return compiler.visit_primary_key_constraint(key, **options)


def _words(kind: type[enum.StrEnum], *, constraint: str | None = None) -> Enum:
    """Members of an enumeration by value, not by their names in the code."""
    return Enum(
        kind,
        name=constraint,
        native_enum=False,
        length=40,
        create_constraint=constraint is not None,
        values_callable=lambda members: [one.value for one in members],
    )


_JSON = JSON(none_as_null=True)
metadata = MetaData()
shared_metadata = MetaData()
"""Tables of a shared database only; a SQLite file does not have them."""

# One row: the journal itself, and the process that has the file open. `needs_wal`: see
# `JournalFile.check_wal`. In PostgreSQL there is no such process: `chunks` has the owners.
journal = Table(
    "journal",
    metadata,
    Column("format", Integer, primary_key=True, autoincrement=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("needs_wal", Boolean, nullable=False, server_default=false()),
    Column("opened_by_process", Integer),
    Column("opened_on_host", Text),
)

# The jobs, and the facts about the input of each once that was read completely; in a SQLite file
# none or one. `looks` counts the planning passes.
# `state`: `reading`, `planned`, `running`, `paused`, `cancelled` or `finished`, and its `reason`.
# `timeout`, `max_failures`, `breaker`: the limits of a shared job's workers. `failed_before`: rows
# that had failed when the job was submitted or resumed; they do not count any more.
jobs = Table(
    "jobs",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("product", Text, nullable=False),
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
    Column("ticket_secret", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text),
    Column("timeout", Float),
    Column("max_failures", Integer),
    Column("breaker", Integer),
    Column("failed_before", Integer, nullable=False, server_default="0"),
    Column("created_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
)

# Ranges of a job's rows, by number, of which one process at a time works on each. Chunk 0 is the
# whole job. `state`: `queued`, `running` or `done`. `epoch` counts the owners: a former owner finds
# another epoch, and writes nothing more.
chunks = Table(
    "chunks",
    metadata,
    Column("job", Integer, primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("first_row", Integer, nullable=False),
    Column("last_row", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("owner", Text),
    Column("epoch", Integer, nullable=False, server_default="0"),
    Column("heartbeat_at", UtcDateTime),
    Column("reason", Text),
)

# One row per row of the input. `look` is the last planning pass that has judged this row: a pass
# finds what it has not judged yet by a smaller number, also after a crash.
# `sent`: an earlier pass found it in doubt, so this job may have brought it to its target.
# `retry`: a failed row is to be retried; until its request is sent it keeps its error.
# `error`: of a row in state `impossible`, the reason; that is no failure, so without `error_type`.
rows = Table(
    "rows",
    metadata,
    Column("job", Integer, nullable=False),
    Column("number", Integer, nullable=False),
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
    _RowKey("job", "number"),
)
# A page of the vendor's list is matched with the rows by both; without an index each of a
# thousand pages would read a million rows.
Index("rows_by_name", rows.c.name).ddl_if(dialect="sqlite")
Index("rows_by_sid", rows.c.sid).ddl_if(dialect="sqlite")
Index("rows_by_job_and_name", rows.c.job, rows.c.name).ddl_if(dialect="postgresql")
Index("rows_by_job_and_sid", rows.c.job, rows.c.sid).ddl_if(dialect="postgresql")

runs = Table(
    "runs",
    metadata,
    Column("job", Integer, nullable=False),
    Column("number", Integer, nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
    Column("reason", Text),
    Column("pid", Integer, nullable=False),
    Column("host", Text, nullable=False),
    _RowKey("job", "number"),
)

# Workers and receivers, for people only: what a process may do depends on the chunks that it owns.
# `accounts`: texts of `account_key`.
processes = Table(
    "processes",
    shared_metadata,
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("accounts", _JSON, nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("heartbeat_at", UtcDateTime, nullable=False),
)

PROGRESS = """
CREATE VIEW progress AS
SELECT state, verdict, error_type, count(*) AS number_of_rows
FROM rows GROUP BY state, verdict, error_type
"""


async def create_tables(connection: AsyncConnection) -> None:
    """Create the tables in a SQLite file, and a view for people."""
    await connection.run_sync(metadata.create_all)
    await connection.execute(text(PROGRESS))

"""The tables of a journal, in plain words for whoever opens one in an SQL shell."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ColumnElement,
    Float,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    false,
    or_,
    text,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from asyncsim.bulk.journal.columns import Json, Moment, Word
from asyncsim.bulk.records import State, Verdict

FORMAT = 1
"""Counts up when an older asyncsim could not read the tables any more."""

metadata = MetaData()

# One row: the journal itself, and who has it open. `needs_wal`: see `sqlite.check_complete`.
journal = Table(
    "journal",
    metadata,
    Column("format", Integer, primary_key=True, autoincrement=False),
    Column("created_at", Moment, nullable=False),
    Column("ticket_secret", Text, nullable=False),
    Column("needs_wal", Boolean, nullable=False, server_default=false()),
    Column("opened_by_process", Integer),
    Column("opened_on_host", Text),
)

# No row or one: the job, and
# what is known of its input once that was read to its end.
job = Table(
    "job",
    metadata,
    Column("product", Text, nullable=False, primary_key=True),
    Column("action", Text, nullable=False),
    Column("change", Json, nullable=False),
    Column("vendor", Text, nullable=False),
    Column("account", Text, nullable=False),
    Column("label", Text, nullable=False),
    Column("looks", Integer, nullable=False, server_default="0"),
    Column("read_completely_at", Moment),
    Column("header", Json),
    Column("applied", Json),
    Column("digest", Text),
    Column("notes", Json),
    Column("source", Text),
)

# One row per row of the input. `look` is the last look at the SIMs that this row was judged in,
# `looks` above how many there were: what a look has not come to yet has a smaller number.
# `sent`: an earlier look found it in doubt, so that what is at its goal now may be so by this job.
# `retry`: a failed row is to be tried again; until its request goes out it keeps its error.
rows = Table(
    "rows",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("line", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("naming", Text, nullable=False),
    Column("iccid", Text),
    Column("state", Word(State), nullable=False),
    Column("look", Integer, nullable=False, server_default="0"),
    Column("verdict", Word(Verdict)),
    Column("sid", Text),
    Column("before", Text),
    Column("note", Text),
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
    Column("accepted_at", Moment),
    Column("ended_at", Moment),
    Column("reference", Text),
    Column("change", Json),
    Column("cells", Json),
    # A hand that mends a row in a shell should not be able to invent a state.
    CheckConstraint(f"state IN ({', '.join(repr(state.value) for state in State)})", "known_state"),
)


def in_states(states: Collection[State]) -> ColumnElement[bool]:
    """Rows in these states; of failed ones only those that are to be tried again."""
    others = rows.c.state.in_(set(states) - {State.FAILED})
    return or_(others, rows.c.retry) if State.FAILED in states else others


by_name = Index("rows_by_name", rows.c.name)
by_sid = Index("rows_by_sid", rows.c.sid)

runs = Table(
    "runs",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("started_at", Moment, nullable=False),
    Column("ended_at", Moment),
    Column("reason", Text),
    Column("pid", Integer, nullable=False),
    Column("host", Text, nullable=False),
)

_PROGRESS = """
CREATE VIEW progress AS
SELECT state, verdict, error_type, count(*) AS number_of_rows
FROM rows GROUP BY state, verdict, error_type
"""


async def create(connection: AsyncConnection) -> None:
    """Make the tables, and a view for people."""
    await connection.run_sync(metadata.create_all)
    await connection.execute(text(_PROGRESS))

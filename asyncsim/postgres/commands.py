"""The table of Commands that devices have sent, and its statements.

A Command goes to one loop of one process. If that loop does not handle it within a limited time,
another loop gets it. So no Command is lost with a process, but one may be handled twice.
"""

from __future__ import annotations

from collections.abc import Sequence

from asyncsim.callbacks.shared import TakenCommand
from asyncsim.postgres.engine import Connection
from asyncsim.postgres.inbox import PURGE_LOCK, PURGED_AT_ONCE, InboxRow, read_callback

CHANNEL = "asyncsim_commands"
"""A NOTIFY on it says that there are new rows; it has no payload."""

CREATE = (
    """
    CREATE TABLE asyncsim.commands (
        key bytea PRIMARY KEY,
        arrived_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        scope text NOT NULL,
        taken_until timestamptz,
        handled_at timestamptz,
        callback json NOT NULL
    )
    """,
    "CREATE INDEX commands_to_handle ON asyncsim.commands (arrived_at) WHERE handled_at IS NULL",
    "CREATE INDEX commands_handled ON asyncsim.commands (handled_at) WHERE handled_at IS NOT NULL",
    "COMMENT ON COLUMN asyncsim.commands.scope IS 'the ticket secret of its URL, by a digest'",
)
"""The statements that create the table, for a migration."""

UNHANDLED_FOR = 7 * 86_400.0
"""Seconds after which an unhandled Command is deleted, so that the table cannot grow without limit.
The vendors keep Commands, too, for 30 days (Twilio docs, "Command Resource")."""

# Sorted by key: two processes that insert the same keys in another order would deadlock.
_INSERT = f"""
WITH added AS (
    INSERT INTO asyncsim.commands (key, scope, callback)
    SELECT key, scope, callback::json
    FROM unnest(%(keys)s::bytea[], %(scopes)s::text[], %(callbacks)s::text[])
        AS given (key, scope, callback)
    ON CONFLICT (key) DO NOTHING
    RETURNING key
)
SELECT array_agg(key), CASE WHEN count(*) > 0 THEN pg_notify('{CHANNEL}', '') END FROM added
"""  # noqa: S608  # a constant

# SKIP LOCKED: of several that take at the same moment, each gets a different Command.
_TAKE = """
UPDATE asyncsim.commands
SET taken_until = clock_timestamp() + make_interval(secs => %(seconds)s)
WHERE key = (
    SELECT key FROM asyncsim.commands
    WHERE handled_at IS NULL AND scope = ANY (%(scopes)s)
        AND (taken_until IS NULL OR taken_until < clock_timestamp())
    ORDER BY arrived_at, key LIMIT 1 FOR UPDATE SKIP LOCKED
)
RETURNING key, callback::text
"""

_FINISH = """
UPDATE asyncsim.commands SET handled_at = clock_timestamp() WHERE key = %s AND handled_at IS NULL
"""

# Handled ones are kept for a while, so that a repeated delivery finds its key.
_PURGE = f"""
DELETE FROM asyncsim.commands
WHERE (SELECT pg_try_advisory_xact_lock({PURGE_LOCK})) AND ctid = ANY (
    ARRAY (
        SELECT ctid FROM asyncsim.commands
        WHERE {{column}} < now() - make_interval(secs => %s) AND handled_at IS {{handled}}
        ORDER BY {{column}} LIMIT {PURGED_AT_ONCE}
    )
)
"""  # noqa: S608
_PURGE_HANDLED = _PURGE.format(column="handled_at", handled="NOT NULL").encode()
_PURGE_UNHANDLED = _PURGE.format(column="arrived_at", handled="NULL").encode()


async def insert(connection: Connection, rows: Sequence[InboxRow]) -> frozenset[bytes]:
    """Store rows of different keys; returns the keys that were not there before."""
    ordered = sorted(rows, key=lambda one: one.key)
    cursor = await connection.execute(
        _INSERT,
        {
            "keys": [row.key for row in ordered],
            "scopes": [row.scope for row in ordered],
            "callbacks": [row.text for row in ordered],
        },
    )
    found = await cursor.fetchone()
    return frozenset(map(bytes, (found and found[0]) or ()))


async def take(
    connection: Connection, scopes: Sequence[str], seconds: float
) -> TakenCommand | None:
    """Take the oldest free Command of these scopes for some seconds; None if there is none.

    ValueError for a row that is not a Command; for these seconds, further calls skip the row.
    """
    bounds = {"scopes": list(scopes), "seconds": seconds}
    row = await (await connection.execute(_TAKE, bounds)).fetchone()
    return None if row is None else TakenCommand(bytes(row[0]), read_callback(row[1]))


async def finish(connection: Connection, key: bytes) -> None:
    """Record that a Command has been handled."""
    await connection.execute(_FINISH, [key])


async def purge(connection: Connection, seconds: float) -> int:
    """Delete some Commands that were handled longer ago; returns how many."""
    return (await connection.execute(_PURGE_HANDLED, [seconds])).rowcount


async def purge_unhandled(connection: Connection, seconds: float) -> int:
    """Delete some unhandled Commands that arrived longer ago; returns how many."""
    return (await connection.execute(_PURGE_UNHANDLED, [seconds])).rowcount

"""The inbox: the table that carries callbacks between processes, and its statements.

A row is a verified callback: its parameters, and what its ticket and signature prove. It contains
no ticket, no signature and no secret. Rows are only added, and purged when they are old.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, Self

from attrs import field, frozen

from asyncsim.callbacks.bus import Callback
from asyncsim.postgres.engine import Connection

CHANNEL = "asyncsim_inbox"
"""A NOTIFY on it says that there are new rows; it has no payload."""

CREATE = (
    """
    CREATE TABLE asyncsim.inbox (
        key bytea PRIMARY KEY,
        xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
        place integer NOT NULL,
        arrived_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        callback json NOT NULL
    )
    """,
    "CREATE INDEX inbox_by_xid ON asyncsim.inbox (xid, place)",
    "CREATE INDEX inbox_by_age ON asyncsim.inbox (arrived_at)",
    "COMMENT ON COLUMN asyncsim.inbox.xid IS 'the transaction that inserted it'",
)
"""The statements that create the table, for a migration."""

PAGE = 500
"""Rows that are read at once."""

PURGED_AT_ONCE = 1000
"""Old rows that one DELETE removes, so that it only holds locks for milliseconds."""

PURGE_LOCK = 0x4153494E
"""Key of the advisory lock of the process that purges."""

_MISSED = 10_000
"""Earlier rows that a process reads when it begins: as many callbacks without a wait as a receiver
keeps in memory."""

LONGEST = 500_000
"""Characters of a row that are read: a page of longer rows could exhaust a reader's memory. The
largest callback that a receiver accepts, 64 KiB, has 400,000 if each of its bytes is escaped."""

_KEY_BYTES = 16
_FIRST = (0, -1)
"""Before any transaction and place."""
_PROVEN = ("vendor", "product", "name", "nonce", "signed", "method")

# Rows are sorted by key: two processes that insert the same keys in another order would deadlock.
# One statement, so one transaction and one round trip. A NOTIFY serialises commits of the whole
# server, so there is one for all rows, and none if no row is new.
_INSERT = f"""
WITH added AS (
    INSERT INTO asyncsim.inbox (key, place, callback)
    SELECT key, place, callback::json
    FROM unnest(%(keys)s::bytea[], %(places)s::integer[], %(callbacks)s::text[])
        AS given (key, place, callback)
    ON CONFLICT (key) DO NOTHING
    RETURNING key
)
SELECT array_agg(key), CASE WHEN count(*) > 0 THEN pg_notify('{CHANNEL}', '') END FROM added
"""  # noqa: S608  # a constant

# Transactions may commit in another order than they began: "greater than the last one read" would
# miss rows. A snapshot says exactly which transactions were not visible yet: those in progress
# (xip), and those that had not begun (from xmax on). For the first page %(until)s is null, and the
# snapshot of this statement is the upper end; further pages of the same read pass that snapshot.
# A row from the future was restored from the backup of another server, and is skipped.
_ROWS = f"""
SELECT xid, place, left(callback::text, {LONGEST}) FROM asyncsim.inbox
WHERE {{where}}
    AND xid < pg_snapshot_xmax(here.until) AND pg_visible_in_snapshot(xid, here.until)
ORDER BY xid, place LIMIT {PAGE}
"""  # noqa: S608  # constants
# One lower bound only: with another, PostgreSQL would search the index from the wrong one.
_NEWER = _ROWS.format(where="(xid, place) > (%(newer)s::text::xid8, %(newer_place)s::integer)")
_LATE = _ROWS.format(
    where="xid = ANY (%(late)s::text[]::xid8[])"
    " AND (xid, place) > (%(after)s::text::xid8, %(after_place)s::integer)"
)
_READ = f"""
WITH here AS (
    SELECT coalesce(%(until)s::pg_snapshot, pg_current_snapshot()) AS until
)
SELECT here.until::text, found.xid::text::bigint, found.place, found.callback
FROM here LEFT JOIN LATERAL (
    ({_NEWER}) UNION ALL ({_LATE}) ORDER BY xid, place LIMIT {PAGE}
) AS found (xid, place, callback) ON true
""".encode()  # noqa: S608

# Not above the oldest transaction in progress: it may have begun before the rows in the table.
# PostgreSQL 14 has no min() of transactions (release notes of 15).
_BEGINNING = f"""
SELECT least(
    (
        SELECT xid FROM (
            SELECT xid, arrived_at FROM asyncsim.inbox ORDER BY xid DESC LIMIT {_MISSED}
        ) AS latest WHERE arrived_at > now() - make_interval(secs => %s) ORDER BY xid LIMIT 1
    ),
    pg_snapshot_xmin(pg_current_snapshot())
)::text
""".encode()  # noqa: S608

# A server that was promoted, or restored to an earlier time, reuses transaction numbers.
_HISTORY = """
SELECT substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8),
    pg_snapshot_xmax(pg_current_snapshot())::text::bigint
"""

# One process at a time; the others skip the purge. Not by row locks, which need the UPDATE
# privilege, and receivers do not have it.
_PURGE = f"""
DELETE FROM asyncsim.inbox
WHERE (SELECT pg_try_advisory_xact_lock({PURGE_LOCK})) AND ctid = ANY (
    ARRAY (
        SELECT ctid FROM asyncsim.inbox WHERE arrived_at < now() - make_interval(secs => %s)
        ORDER BY arrived_at LIMIT {PURGED_AT_ONCE}
    )
)
""".encode()  # noqa: S608

_CHECK = """
SELECT NOT pg_is_in_recovery(), has_table_privilege('asyncsim.inbox', 'INSERT')
    AND has_table_privilege('asyncsim.commands', 'INSERT')
"""


@frozen
class InboxRow:
    """A callback as a row."""

    key: bytes
    text: str = field(repr=False)
    scope: str = ""
    """The scope of a Command from a device, which is stored in another table."""

    @classmethod
    def of(cls, callback: Callback, token: str, scope: str = "") -> Self:
        """Convert a callback; all deliveries with the same idempotency token have the same key.

        Unsigned callbacks have different keys: they must never make a signed one look like a
        duplicate. Without a token, no callback is a duplicate.
        """
        parts = (callback.vendor, callback.nonce, callback.signed, token)
        digest = blake2b(json.dumps(parts).encode(), digest_size=_KEY_BYTES).digest()
        content = {name: getattr(callback, name) for name in _PROVEN}
        # In ASCII: PostgreSQL's text cannot contain NUL or half of a surrogate pair, and one such
        # parameter would make the whole batch fail.
        text = json.dumps({**content, "params": dict(callback.params)})
        return cls(digest if token else os.urandom(_KEY_BYTES), text, scope)


def read_callback(text: str) -> Callback:
    """Parse the text of an `InboxRow`; ValueError if it is anything else."""
    try:
        content = json.loads(text)
    except RecursionError:
        raise ValueError("its JSON is nested too deeply") from None
    if not isinstance(content, dict):
        raise ValueError("not a JSON object")
    proven: dict[str, Any] = {name: content.get(name) for name in _PROVEN}
    for name, found in proven.items():
        if not isinstance(found, bool if name == "signed" else str):
            raise ValueError(f"{name!r} is missing, or of another type")
    params = content.get("params")
    if not isinstance(params, dict) or not all(isinstance(one, str) for one in params.values()):
        raise ValueError("'params' is missing, or of another type")
    return Callback.of(**proven, params=params)


@frozen
class InboxPosition:
    """What has been read: all rows that are visible in a snapshot."""

    xmax: int
    xip: tuple[int, ...] = ()

    @classmethod
    def of(cls, snapshot: str) -> Self:
        """Parse `xmin:xmax:xip,xip`."""
        _, xmax, xip = snapshot.split(":")
        return cls(int(xmax), tuple(map(int, filter(None, xip.split(",")))))


@frozen
class InboxPage:
    """Rows that are visible now, and were not at a position."""

    until: str
    callbacks: tuple[str, ...] = field(repr=False)
    last: tuple[int, int]
    """Transaction and place of the last row: where the next page begins."""

    @property
    def is_full(self) -> bool:
        """Whether there may be another page."""
        return len(self.callbacks) >= PAGE


async def insert(connection: Connection, rows: Sequence[InboxRow]) -> frozenset[bytes]:
    """Store rows of different keys; returns the keys that were not there before."""
    ordered = sorted(enumerate(rows), key=lambda one: one[1].key)
    cursor = await connection.execute(
        _INSERT,
        {
            "keys": [row.key for _, row in ordered],
            "places": [place for place, _ in ordered],
            "callbacks": [row.text for _, row in ordered],
        },
    )
    found = await cursor.fetchone()
    return frozenset(map(bytes, (found and found[0]) or ()))


async def read_page(
    connection: Connection, since: InboxPosition, before: InboxPage | None = None
) -> InboxPage:
    """Read the next rows, in the order of their transactions; `before`: the page before."""
    after = before.last if before is not None else _FIRST
    newer = max(after, (since.xmax, -1))
    bounds = {
        "until": before and before.until,
        "newer": str(newer[0]),
        "newer_place": newer[1],
        "late": [str(one) for one in since.xip],
        "after": str(after[0]),
        "after_place": after[1],
    }
    rows = await (await connection.execute(_READ, bounds)).fetchall()
    found = [row for row in rows if row[3] is not None]
    last = (found[-1][1], found[-1][2]) if found else after
    return InboxPage(rows[0][0], tuple(row[3] for row in found), last)


async def find_beginning(connection: Connection, seconds: float) -> InboxPosition:
    """Return the position before the rows of the last seconds."""
    cursor = await connection.execute(_BEGINNING, [seconds])
    found = await cursor.fetchone()
    assert found is not None  # noqa: S101  # its SELECT has no FROM: one row
    return InboxPosition(int(found[0]))


async def read_history(connection: Connection) -> tuple[str, int]:
    """Return the server's timeline, and the number of its next transaction."""
    cursor = await connection.execute(_HISTORY)
    found = await cursor.fetchone()
    assert found is not None  # noqa: S101
    return found[0], found[1]


async def purge(connection: Connection, seconds: float) -> int:
    """Delete some rows older than that; returns how many."""
    return (await connection.execute(_PURGE, [seconds])).rowcount


async def check_rights(connection: Connection) -> tuple[bool, bool]:
    """Tell whether the server is writable, and whether this user may insert rows."""
    cursor = await connection.execute(_CHECK)
    found = await cursor.fetchone()
    assert found is not None  # noqa: S101
    return found[0], found[1]

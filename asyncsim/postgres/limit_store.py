"""Statements of the shared limit: one report and its grant are one short transaction.

The account's row in `limits` is locked meanwhile, so that reports are taken one after the other;
`shares` has a row per process. Nothing here has to survive a crash of the server, so no commit
waits for the disk.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, nullcontext
from hashlib import sha256
from typing import Any

from attrs import frozen
from psycopg import AsyncConnection, AsyncPipeline

from asyncsim.core.shared_limit import LimitGrant, LimitReport, Member, SharedTotal

# A process that is frozen in the transaction holds the lock; the others cannot wait for long.
_SETTINGS = """
    SELECT set_config('synchronous_commit', 'off', true), set_config('lock_timeout', '1s', true),
        set_config('idle_in_transaction_session_timeout', '1s', true)
"""
_LOCK = """
    SELECT total, falls, pauses,
        extract(epoch FROM throttled_at)::float8,
        coalesce(extract(epoch FROM paused_until)::float8, '-infinity'),
        coalesce(extract(epoch FROM vendor_paused_until)::float8, '-infinity'),
        coalesce(extract(epoch FROM woken_at)::float8, '-infinity')
    FROM asyncsim.limits WHERE account = %s FOR UPDATE
"""
_CREATE = """
    INSERT INTO asyncsim.limits (account, total) SELECT %(account)s, %(total)s
    WHERE NOT EXISTS (SELECT FROM asyncsim.limits WHERE account = %(account)s)
    ON CONFLICT (account) DO NOTHING
"""
# A statement of its own, because it must see what was committed while the lock was awaited.
_READ = """
    SELECT extract(epoch FROM clock_timestamp())::float8, coalesce(json_agg(json_build_array(
        process, demand, permits, extract(epoch FROM heartbeat_at))), '[]')
    FROM asyncsim.shares WHERE account = %s
"""
_WRITE = """
    WITH total AS (
        UPDATE asyncsim.limits SET total = %(total)s, falls = %(falls)s, pauses = %(pauses)s,
            throttled_at = to_timestamp(%(throttled_at)s),
            paused_until = to_timestamp(nullif(%(paused_until)s, '-infinity')),
            vendor_paused_until = to_timestamp(nullif(%(vendor_paused_until)s, '-infinity')),
            woken_at = to_timestamp(nullif(%(woken_at)s, '-infinity'))
        WHERE account = %(account)s
    ), share AS (
        INSERT INTO asyncsim.shares (account, process, demand, permits, heartbeat_at)
        VALUES (%(account)s, %(process)s, %(demand)s, %(permits)s, to_timestamp(%(now)s))
        ON CONFLICT (account, process) DO UPDATE SET demand = excluded.demand,
            permits = excluded.permits, heartbeat_at = excluded.heartbeat_at
    ), dead AS (
        DELETE FROM asyncsim.shares WHERE account = %(account)s AND process = ANY(%(dead)s)
    )
    SELECT pg_notify(%(channel)s, '') WHERE %(wake)s
"""
_LEAVE = """
    WITH share AS (
        DELETE FROM asyncsim.shares WHERE account = %(account)s AND process = %(process)s
    )
    SELECT pg_notify(%(channel)s, '')
"""


def channel_of(account: str) -> str:
    """The channel of an account: others need not wake up for it."""
    return f"asyncsim_limit_{sha256(account.encode()).hexdigest()[:16]}"


def _at_once(connection: AsyncConnection[Any]) -> AbstractAsyncContextManager[object]:
    """Send statements without waiting for the results of each; libpq before 14 cannot."""
    return connection.pipeline() if AsyncPipeline.is_supported() else nullcontext()


@frozen
class LimitStore:
    """One process's access to the limit of one account."""

    account: str
    process: str

    async def exchange(self, connection: AsyncConnection[Any], report: LimitReport) -> LimitGrant:
        """Report, and be granted a share; the connection cannot be used again after an error."""
        # A busy event loop may take long until it comes back here, and meanwhile the others wait
        # for the lock. So everything is sent at once: it comes back only to decide.
        async with _at_once(connection):
            await connection.execute("BEGIN")
            await connection.execute(_SETTINGS)
            await connection.execute(_CREATE, {"account": self.account, "total": report.start})
            limits = await connection.execute(_LOCK, [self.account])
            shares = await connection.execute(_READ, [self.account])
            row, read = await limits.fetchone(), await shares.fetchone()
        assert row is not None  # noqa: S101  # created, if it was missing
        assert read is not None  # noqa: S101  # an aggregate has one row
        now, members = read
        total = _total_of(row, members)
        grant = total.exchange(self.process, report, now)
        me = total.members[self.process]
        written = {
            "account": self.account,
            "process": self.process,
            "channel": channel_of(self.account),
            "total": total.total,
            "falls": total.falls,
            "pauses": total.pauses,
            "throttled_at": total.throttled_at,
            "paused_until": total.paused_until,
            "vendor_paused_until": total.vendor_paused_until,
            "woken_at": total.woken_at,
            "demand": me.demand,
            "permits": me.permits,
            "now": now,
            "dead": [name for name, *_ in members if name not in total.members],
            "wake": grant.wake,
        }
        async with _at_once(connection):
            await connection.execute(_WRITE, written)
            await connection.execute("COMMIT")
        return grant

    async def leave(self, connection: AsyncConnection[Any]) -> None:
        """Return the share."""
        names = {"account": self.account, "process": self.process}
        await connection.execute(_LEAVE, {**names, "channel": channel_of(self.account)})


def _total_of(row: Any, members: Any) -> SharedTotal:
    total, falls, pauses, throttled_at, paused_until, vendor_paused_until, woken_at = row
    return SharedTotal(
        total,
        falls=falls,
        pauses=pauses,
        throttled_at=throttled_at,
        paused_until=paused_until,
        vendor_paused_until=vendor_paused_until,
        woken_at=woken_at,
        members={name: Member(demand, permits, at) for name, demand, permits, at in members},
    )

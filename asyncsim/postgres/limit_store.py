"""Statements of the shared limit: a report and its grant are one read and one write.

No lock is held in between: an event loop may be busy, or its process frozen, before it decides. The
write changes nothing if another process has written meanwhile; then the report starts over. Nothing
here has to survive a crash of the server, so no commit waits for the disk.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from attrs import frozen

from asyncsim.core.shared_limit import LimitGrant, LimitReport, Member, SharedTotal
from asyncsim.postgres.engine import Connection

# One statement, so that total and shares are consistent.
_READ = """
    SELECT extract(epoch FROM clock_timestamp())::float8, version, total, falls, pauses,
        extract(epoch FROM throttled_at)::float8,
        coalesce(extract(epoch FROM paused_until)::float8, '-infinity'),
        coalesce(extract(epoch FROM vendor_paused_until)::float8, '-infinity'),
        coalesce(extract(epoch FROM woken_at)::float8, '-infinity'),
        (
            SELECT coalesce(json_agg(json_build_array(
                process, demand, permits, extract(epoch FROM heartbeat_at))), '[]')
            FROM asyncsim.shares WHERE shares.account = limits.account
        )
    FROM asyncsim.limits WHERE account = %s
"""
_CREATE = """
    INSERT INTO asyncsim.limits (account, total) VALUES (%s, %s) ON CONFLICT (account) DO NOTHING
"""
_WRITE = """
    WITH written AS (
        UPDATE asyncsim.limits SET version = version + 1,
            total = %(total)s, falls = %(falls)s, pauses = %(pauses)s,
            throttled_at = to_timestamp(%(throttled_at)s),
            paused_until = to_timestamp(nullif(%(paused_until)s, '-infinity')),
            vendor_paused_until = to_timestamp(nullif(%(vendor_paused_until)s, '-infinity')),
            woken_at = to_timestamp(nullif(%(woken_at)s, '-infinity'))
        WHERE account = %(account)s AND version = %(version)s
        RETURNING account
    ), share AS (
        INSERT INTO asyncsim.shares (account, process, demand, permits, heartbeat_at)
        SELECT account, %(process)s, %(demand)s, %(permits)s, to_timestamp(%(now)s) FROM written
        ON CONFLICT (account, process) DO UPDATE SET demand = excluded.demand,
            permits = excluded.permits, heartbeat_at = excluded.heartbeat_at
    ), dead AS (
        DELETE FROM asyncsim.shares USING written
        WHERE shares.account = written.account AND process = ANY(%(dead)s)
    )
    SELECT set_config('synchronous_commit', 'off', true),
        CASE WHEN %(wake)s THEN pg_notify(%(channel)s, '') END
    FROM written
"""
_LEAVE = """
    WITH share AS (
        DELETE FROM asyncsim.shares WHERE account = %(account)s AND process = %(process)s
    )
    SELECT pg_notify(%(channel)s, '')
"""


def channel_of(account: str) -> str:
    """The channel of an account, so that processes of other accounts are not woken."""
    return f"asyncsim_limit_{sha256(account.encode()).hexdigest()[:16]}"


@frozen
class LimitStore:
    """One process's access to the limit of one account."""

    account: str
    process: str

    async def exchange(self, connection: Connection, report: LimitReport) -> LimitGrant:
        """Report, and be granted a share."""
        while True:
            row = await (await connection.execute(_READ, [self.account])).fetchone()
            if row is None:
                await connection.execute(_CREATE, [self.account, report.start])
                continue
            grant = await self._decide(connection, report, *row)
            if grant is not None:
                return grant

    async def _decide(
        self,
        connection: Connection,
        report: LimitReport,
        now: float,
        version: int,
        *row: Any,
    ) -> LimitGrant | None:
        """Decide on the report and write the result; None if another process has written first."""
        total = _total_of(*row)
        known = tuple(total.members)
        grant = total.exchange(self.process, report, now)
        me = total.members[self.process]
        values = {
            "account": self.account,
            "process": self.process,
            "channel": channel_of(self.account),
            "version": version,
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
            "dead": [name for name in known if name not in total.members],
            "wake": grant.wake,
        }
        written = await (await connection.execute(_WRITE, values)).fetchone()
        return None if written is None else grant

    async def leave(self, connection: Connection) -> None:
        """Return the share."""
        names = {"account": self.account, "process": self.process}
        await connection.execute(_LEAVE, {**names, "channel": channel_of(self.account)})


def _total_of(
    total: float,
    falls: int,
    pauses: int,
    throttled_at: float | None,
    paused_until: float,
    vendor_paused_until: float,
    woken_at: float,
    members: list[tuple[str, int, int, float]],
) -> SharedTotal:
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

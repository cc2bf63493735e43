"""`PostgresLimit`: one concurrency limit per account for all processes, kept in PostgreSQL.

Each process reports to the database in a background task. Requests use the latest granted share, so
none waits for the database. `core.shared_limit` decides.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from asyncsim.clock import Clock, Timer
from asyncsim.core.shared_limit import LEASE, POLL, TICK, LimitGrant, LimitReport
from asyncsim.errors import ConfigurationError
from asyncsim.event_loops import must_bind
from asyncsim.http.limiter import ConcurrencyLimiter
from asyncsim.postgres.bounded import end, within
from asyncsim.postgres.restarted import restarted
from asyncsim.postgres.url import PostgresUrl

if TYPE_CHECKING:
    from psycopg import AsyncConnection

logger = logging.getLogger("asyncsim")

_CONNECTIONS = 2
"""Of one process, for all its accounts."""
_PATIENCE = 2.0  # seconds for a report: afterwards a new connection is better
_FIRST_RETRY, _LONGEST_RETRY = 0.1, 2.0  # seconds between reports that do not arrive
_AFTER_429 = TICK / 4
"""Seconds between two reports after 429s, which come in bursts."""


class PostgresLimit:
    """One adaptive concurrency limit per account, for all processes that use the database.

    Give it to each client: `Client.twilio(..., shared_limit=PostgresLimit(url))`. Clients of
    several accounts may use the same object; each account has its own limit. A 429 or a
    `Retry-After` of one process slows all of them down. The limit is divided by need, and the share
    of a process that ends or dies goes to the others within six seconds.

    No request waits for the database. While it cannot be reached, a process keeps its last share
    for five seconds, then uses half of an equal share. It reconnects automatically.

    `url`: `postgresql://user@host/database`, as for jobs; `asyncsim jobs migrate` creates the
    tables.
    """

    def __init__(self, url: str) -> None:
        # psycopg is loaded with the first limit, so that `from asyncsim import *` needs no extra.
        import asyncsim.postgres.engine  # noqa: F401  # says which one is missing

        self._url = PostgresUrl.parse(url)
        self._keepers: dict[ConcurrencyLimiter, _Keeper] = {}
        self._connections = _Connections(self._url)
        self._loop: asyncio.AbstractEventLoop | None = None

    def __repr__(self) -> str:
        return f"<asyncsim.PostgresLimit at {self._url.shown}>"

    def attach(
        self, account: str, limiter: ConcurrencyLimiter, clock: Clock
    ) -> Callable[[], Awaitable[None]]:
        """Internal: share a limiter's limit from now on; returns the call that ends this."""
        # Until the last client has left, which unbinds it.
        if must_bind(self._loop, in_use=True, name="PostgresLimit"):
            self._loop, self._keepers = asyncio.get_running_loop(), {}
            self._connections = _Connections(self._url)
        keeper = self._keepers.get(limiter)
        if keeper is None:
            keeper = self._keepers[limiter] = _Keeper(account, limiter, clock, self._connections)
        elif keeper.account != account:
            raise ConfigurationError(
                "clients of two accounts have the same Throttle: with shared_limit=, pass a"
                " separate Throttle for each account"
            )
        keeper.users += 1

        async def leave() -> None:
            keeper.users -= 1
            if keeper.users == 0:
                del self._keepers[limiter]
                await keeper.close()
                if not self._keepers:
                    self._loop = None
                    await self._connections.close()

        return leave


class _Keeper:
    """Reports what one limiter has learnt, and passes it the granted share."""

    def __init__(
        self, account: str, limiter: ConcurrencyLimiter, clock: Clock, connections: _Connections
    ) -> None:
        from asyncsim.postgres.limit_store import LimitStore

        self.account = account
        self.users = 0
        self._limiter = limiter
        self._clock = clock
        self._connections = connections
        name = f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:12]}"
        self._store = LimitStore(account, name)
        self._reported_at = self._due = clock.now()
        self._every = TICK
        self._failures = 0
        self._reporting = asyncio.Lock()
        self._wake = asyncio.Event()
        self._timer: Timer | None = None
        self._lease_timer: Timer | None = None
        self._lease = limiter.share(self._changed)
        reports = restarted(self._report_on, clock, f"the shared limit of {account}")
        self._task = asyncio.create_task(reports, name=f"asyncsim limit of {account}")

    async def _report_on(self) -> None:
        from asyncsim.postgres.limit_store import channel_of
        from asyncsim.postgres.listen import Notifications

        async with Notifications(self._connections.url, self._clock) as listener:
            listener.subscribe(channel_of(self.account), self._woken)
            self._wake.set()
            while True:
                await self._wake.wait()
                self._wake.clear()
                async with self._reporting:
                    with self._clock.working():
                        await self._report()

    async def _report(self) -> None:
        now, before = self._clock.now(), self._lease.share
        self._reported_at, self._due = now, math.inf
        report = self._lease.report(self._limiter.queued, self._limiter.vendor_pause)
        try:
            grant = await within(_PATIENCE, self._exchange(report))
        except Exception as error:  # noqa: BLE001  # logged, and retried until it works
            self._lease.unreported(report)
            self._failed(error)
        else:
            self._granted(report, grant, before, now)

    async def _exchange(self, report: LimitReport) -> LimitGrant:
        async with self._connections.one() as connection:
            return await self._store.exchange(connection, report)

    def _granted(self, report: LimitReport, grant: LimitGrant, before: int, began: float) -> None:
        if self._failures > 1:
            logger.warning("the shared limit of %s can be reached again", self.account)
        self._failures = 0
        self._every = grant.every
        self._lease.granted(grant, self._clock.now())
        if self._lease_timer is not None:
            self._lease_timer.cancel()
        self._lease_timer = self._clock.call_at(began + LEASE, self._expired)
        # Also starts waiters if the share has grown.
        self._limiter.pause(grant.pause, grant.vendor_pause)
        lacking = report.demand >= grant.share or grant.share != before
        self._plan(self._clock.now() + (grant.every if lacking else POLL))

    def _failed(self, error: Exception) -> None:
        from asyncsim.postgres.engine import remedy_of

        self._failures += 1
        if self._failures == 2:  # once may be a connection that was closed while it was idle
            share, standing = self._lease.share, self._lease.standing
            logger.warning(
                "the shared limit of %s cannot be reached; this process continues with at most"
                " %d concurrent requests%s: %s",
                self.account,
                share,
                f", later {standing}" if standing < share else "",
                remedy_of(error),
            )
        pause = min(_LONGEST_RETRY, _FIRST_RETRY * 2.0 ** min(self._failures - 1, 10))
        self._every = pause  # 429s cannot be reported sooner either
        self._plan(self._clock.now() + pause)

    def _expired(self) -> None:
        self._lease_timer = None
        self._lease.expired()

    def _changed(self) -> None:
        """A 429, or a need for more than the share: report soon."""
        gap = _AFTER_429 if self._lease.fell and not self._failures else self._every
        self._plan(self._reported_at + gap)

    def _woken(self) -> None:
        """Another process has learnt something, or needs permits of this one."""
        self._plan(self._reported_at + _AFTER_429)

    def _plan(self, when: float) -> None:
        if when >= self._due:
            return
        self._due = when
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if when <= self._clock.now():
            self._wake.set()
        else:
            self._timer = self._clock.call_at(when, self._wake.set)

    async def close(self) -> None:
        """Return the share; the limit adapts alone from now on."""
        reported = self._lease.leased
        if reported:  # psycopg logs statements that are cancelled
            async with self._reporting:
                self._task.cancel()
        await end(self._task)
        self._limiter.unshare(self._lease)
        for timer in (self._timer, self._lease_timer):
            if timer is not None:
                timer.cancel()
        if not reported:
            return  # the others notice within six seconds
        with suppress(Exception):
            await within(_PATIENCE, self._leave())

    async def _leave(self) -> None:
        async with self._connections.one() as connection:
            await self._store.leave(connection)


class _Connections:
    """A few connections for all accounts of a process, opened when they are needed."""

    def __init__(self, url: PostgresUrl) -> None:
        self.url = url
        self._idle: list[AsyncConnection[Any]] = []
        self._room = asyncio.Semaphore(_CONNECTIONS)

    @asynccontextmanager
    async def one(self) -> AsyncIterator[AsyncConnection[Any]]:
        """Lend a connection; after an error it is closed, as its transaction is in doubt."""
        from asyncsim.postgres.engine import connect

        async with self._room:
            connection = self._idle.pop() if self._idle else await connect(self.url)
            try:
                yield connection
            except BaseException:
                await connection.close()
                await self.close()  # the server has probably closed the others, too
                raise
            self._idle.append(connection)

    async def close(self) -> None:
        """Close the idle connections; once no keeper reports, these are all."""
        while self._idle:
            await self._idle.pop().close()

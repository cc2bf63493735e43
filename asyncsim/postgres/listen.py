"""One connection of a process that listens for notifications, and calls their subscribers.

A notification is only a wake-up: it may be lost with its connection, and pgbouncer in transaction
mode forwards none. So every subscriber also polls.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Self
from weakref import WeakKeyDictionary

from asyncsim.clock import Clock, SystemClock
from asyncsim.postgres.bounded import end
from asyncsim.postgres.engine import FAILURES, Connection, PostgresUrl, connect, remedy_of
from asyncsim.postgres.kept_connection import KeptConnection
from asyncsim.postgres.restarted import restarted

logger = logging.getLogger("asyncsim")

Wake = Callable[[], object]
"""Called in the event loop, without arguments; it must not block."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 5.0  # seconds between two attempts to connect
_HANGS = 10.0  # seconds to connect, or to LISTEN


class Notifications:
    """Listens on channels of a database; those of one loop and URL share one connection.

    ::

        async with Notifications(url) as notifications:
            unsubscribe = notifications.subscribe("asyncsim_chunks", event.set)
    """

    def __init__(self, url: str | PostgresUrl, clock: Clock | None = None) -> None:
        self._url = PostgresUrl.parse(url)
        self._clock = clock or SystemClock()
        self._line: _Line | None = None
        self._unsubscribe: list[Callable[[], None]] = []

    @property
    def notified(self) -> Counter[str]:
        """How many notifications have arrived, by channel."""
        return self._shared.notified

    async def __aenter__(self) -> Self:
        lines = _lines.setdefault(asyncio.get_running_loop(), {})
        line = lines.get(self._url.libpq)
        if line is None:
            line = lines[self._url.libpq] = _Line(self._url, self._clock)
        line.users += 1
        self._line = line
        return self

    async def __aexit__(self, *_: object) -> None:
        line, self._line = self._shared, None
        for unsubscribe in self._unsubscribe:
            unsubscribe()
        line.users -= 1
        if not line.users:
            _lines[asyncio.get_running_loop()].pop(self._url.libpq, None)
            await line.close()

    def subscribe(self, channel: str, wake: Wake) -> Callable[[], None]:
        """Call `wake` for each notification, and whenever listening begins (again).

        Returns a function that ends this.
        """
        unsubscribe = self._shared.subscribe(channel, wake)
        self._unsubscribe.append(unsubscribe)
        return unsubscribe

    @property
    def _shared(self) -> _Line:
        if self._line is None:
            raise RuntimeError("the listener is not open: use `async with`")
        return self._line


@asynccontextmanager
async def listening(
    url: str | PostgresUrl, channel: str, wake: Wake, clock: Clock | None = None
) -> AsyncIterator[Notifications]:
    """Listen on one channel until the block ends."""
    async with Notifications(url, clock) as notifications:
        notifications.subscribe(channel, wake)
        yield notifications


class _Line:
    """The connection that the listeners of one loop and URL share."""

    def __init__(self, url: PostgresUrl, clock: Clock) -> None:
        self.users = 0
        self.notified: Counter[str] = Counter()
        self._url = url
        self._clock = clock
        self._wakes: dict[str, list[Wake]] = {}
        self._changed = asyncio.Event()
        self._pause = 0.0
        """Before the next attempt; 0 while it listens."""
        self._task = asyncio.create_task(self._run(), name="asyncsim-listen")

    def subscribe(self, channel: str, wake: Wake) -> Callable[[], None]:
        wakes = self._wakes.setdefault(channel, [])
        wakes.append(wake)
        self._changed.set()

        def unsubscribe() -> None:
            # It keeps listening on the channel, because clients often subscribe again.
            if wake in wakes:
                wakes.remove(wake)

        return unsubscribe

    async def close(self) -> None:
        await end(self._task)

    async def _run(self) -> None:
        await restarted(self._connect_and_listen, self._clock, "the listener for notifications")

    async def _connect_and_listen(self) -> None:
        connection = KeptConnection(partial(connect, self._url), _HANGS)
        while True:
            try:
                await self._listen(connection)
            except FAILURES as error:
                if not self._pause:  # once for each outage
                    logger.warning(
                        "notifications of %s have stopped; polling continues: %s",
                        self._url,
                        remedy_of(error),
                    )
            finally:
                await connection.close()
            self._pause = min(max(_FIRST_PAUSE, self._pause * 2), _LONGEST_PAUSE)
            await self._clock.sleep(self._pause)

    async def _listen(self, kept: KeptConnection) -> None:
        listened: set[str] = set()
        while True:
            self._changed.clear()
            added = [channel for channel in self._wakes if channel not in listened]
            connection = await kept.use(partial(_listen_to, channels=added))
            listened.update(added)
            if self._pause:
                logger.warning("notifications of %s arrive again", self._url)
            self._pause = 0.0
            for channel in added:
                self._wake(channel)  # earlier notifications were missed
            # A connection can either receive or execute: receiving stops for a new channel.
            receiving = asyncio.create_task(
                self._receive(connection), name="asyncsim-notifications"
            )
            changing = asyncio.create_task(self._changed.wait(), name="asyncsim-channels")
            try:
                await asyncio.wait((receiving, changing), return_when=asyncio.FIRST_COMPLETED)
            finally:
                await end(receiving, changing)
            if not receiving.done():
                raise TimeoutError("the connection can no longer be used")
            if not receiving.cancelled():
                receiving.result()  # raises what has ended the connection

    async def _receive(self, connection: Connection) -> None:
        async for notification in connection.notifies():
            self.notified[notification.channel] += 1
            self._wake(notification.channel)

    def _wake(self, channel: str) -> None:
        for wake in tuple(self._wakes.get(channel, ())):
            try:
                wake()
            except Exception:
                logger.exception("a subscriber of %s raised", channel)


async def _listen_to(connection: Connection, channels: Sequence[str]) -> Connection:
    from psycopg.sql import SQL, Identifier  # late: `engine` says first that it is missing

    for channel in channels:
        await connection.execute(SQL("LISTEN {}").format(Identifier(channel)))
    return connection


# By loop, and weakly: a loop that is gone takes its connections with it.
_lines: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, _Line]] = WeakKeyDictionary()

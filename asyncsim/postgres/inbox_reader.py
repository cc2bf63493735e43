"""The reader of the inbox: new rows become callbacks for this process's waits."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from asyncsim.callbacks.bus import Callback
from asyncsim.clock import Clock
from asyncsim.postgres.bounded import end
from asyncsim.postgres.engine import FAILURES, Connection, remedy_of
from asyncsim.postgres.inbox import (
    InboxPage,
    InboxPosition,
    find_beginning,
    read_callback,
    read_history,
    read_page,
)
from asyncsim.postgres.inbox_writer import BusStats
from asyncsim.postgres.kept_connection import Connect, KeptConnection
from asyncsim.postgres.restarted import restarted

logger = logging.getLogger("asyncsim")

POLL_EVERY = 2.0
"""Seconds between reads without a wake-up, because a NOTIFY may be lost."""

_AT_MOST_EVERY = 0.01  # seconds: one read covers the notifications of many writers
_KEPT_FOR = 300.0  # seconds before it began, as a receiver keeps callbacks without a wait
_RETRY_EVERY = 1.0  # seconds between attempts while the database does not respond
_HANGS = 10.0  # seconds for one page
_REPORTED_FROM = 3  # failures in a row; a restart of the server causes fewer


class InboxReader:
    """Reads each row exactly once, from one task, in whatever order transactions commit."""

    def __init__(
        self,
        connect: Connect,
        listen: Callable[[Callable[[], object]], AbstractAsyncContextManager[object]],
        clock: Clock,
        stats: BusStats,
        publish: Callable[[Callback], None],
    ) -> None:
        self._connection = KeptConnection(connect, _HANGS)
        self._listen = listen
        """Calls its argument whenever there may be new rows."""
        self._clock = clock
        self._stats = stats
        self._publish = publish
        self._wake = asyncio.Event()
        self._began = 0.0
        self._history = ""
        self._failures = 0
        self._has_warned = False
        self._position: InboxPosition | None = None
        self._page: InboxPage | None = None
        """The last page, if there are more pages of the same snapshot."""
        self._task: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        """Includes tasks that were cancelled and have not ended yet."""

    def begin(self) -> None:
        """Start reading; includes recent rows, because a callback may arrive before its wait."""
        if self._task is None:
            self._began, self._position, self._page = self._clock.now(), None, None
            self._task = asyncio.create_task(self._run(), name="asyncsim-inbox-reader")
            self._tasks.add(self._task)
            self._task.add_done_callback(self._tasks.discard)

    def end(self) -> None:
        """Stop reading."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def stop(self) -> None:
        """Stop reading; returns once its task has ended."""
        self.end()
        await end(*self._tasks)

    async def _run(self) -> None:
        await restarted(self._listen_and_read, self._clock, "the reader of asyncsim.inbox")

    async def _listen_and_read(self) -> None:
        try:
            async with self._listen(self._wake.set):
                await self._read()
        finally:
            await self._connection.close()

    async def _read(self) -> None:
        while True:
            try:
                await self._connection.use(self._find_position)
                await self._read_on()
            except FAILURES as error:
                self._failures += 1
                if self._failures == _REPORTED_FROM:
                    text = "callbacks of other processes cannot be read, so waits poll: %s"
                    logger.warning(text, remedy_of(error))
                if self._failures > 1:  # the first retry is immediate: it may be a restart
                    await self._clock.sleep(_RETRY_EVERY)

    async def _find_position(self, connection: Connection) -> None:
        history, next_transaction = await read_history(connection)
        known = self._position
        if known is None or history != self._history or next_transaction < known.xmax:
            seconds = _KEPT_FOR + self._clock.now() - self._began
            self._position, self._page = await find_beginning(connection, seconds), None
            self._history = history

    async def _read_on(self) -> None:
        while True:
            self._wake.clear()
            began = self._clock.now()
            with self._clock.working():
                await self._read_new()
            if self._failures >= _REPORTED_FROM:
                logger.warning("callbacks of other processes can be read again")
            self._failures = 0
            timer = self._clock.call_at(began + POLL_EVERY, self._wake.set)
            try:
                await self._wake.wait()
            finally:
                timer.cancel()
            if (rest := began + _AT_MOST_EVERY - self._clock.now()) > 0:
                await self._clock.sleep(rest)

    async def _read_new(self) -> None:
        """Read all pages of one snapshot; after a failure, the next call continues there."""
        while True:
            page = await self._connection.use(self._read_page)
            self._stats.reads += 1
            # Before they are published, so that none is published twice.
            self._page = page if page.is_full else None
            if not page.is_full:
                self._position = InboxPosition.of(page.until)
            for text in page.callbacks:
                self._deliver(text)
            if not page.is_full:
                return

    async def _read_page(self, connection: Connection) -> InboxPage:
        assert self._position is not None  # noqa: S101  # found when it was connected
        return await read_page(connection, self._position, self._page)

    def _deliver(self, text: str) -> None:
        try:
            callback = read_callback(text)
        except ValueError as error:
            self._stats.unreadable += 1
            if not self._has_warned:  # once: there may be many of its kind
                self._has_warned = True
                text = "skipping rows of asyncsim.inbox that are not callbacks; the first: %s"
                logger.warning(text, error)
            return
        self._stats.delivered += 1
        try:
            self._publish(callback)
        except Exception:  # the other callbacks of the page must still be delivered
            logger.exception("a bug in asyncsim: a callback of another process is lost")

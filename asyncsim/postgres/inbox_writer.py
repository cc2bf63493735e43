"""The writer of the inbox: many callbacks in one INSERT, each acknowledged once it is durable.

Callbacks that arrive within a tick are stored together. Under load, a transaction for each would
cost ten times as much, and each NOTIFY serialises the commits of the whole server.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from itertools import islice

from attrs import define, field

from asyncsim.callbacks.shared import BusUnavailable
from asyncsim.clock import Clock
from asyncsim.postgres.bounded import end
from asyncsim.postgres.engine import FAILURES, Connection, is_transient, remedy_of
from asyncsim.postgres.inbox import InboxRow, check_rights
from asyncsim.postgres.kept_connection import Connect, KeptConnection

logger = logging.getLogger("asyncsim")

Insert = Callable[[Connection, Sequence[InboxRow]], Awaitable[frozenset[bytes]]]
"""Stores rows, and returns the keys that were not there before."""

TICK = 0.02
"""Seconds between two INSERTs; the first callback after a pause is stored at once."""

PATIENCE = 5.0
"""Seconds for which a callback waits for a database that does not respond. A restart takes less,
and Twilio does not retry a rejected callback; both vendors hang up after 15 s."""

_LARGEST = 1000  # rows of one INSERT
_WAITING = 10_000  # rows; beyond it callbacks are rejected at once
_RETRY_EVERY = 0.25  # seconds between attempts while the database does not respond
_LONGEST = 2 * PATIENCE  # seconds for any callback, even if an attempt hangs
_REPORTED_FROM = 2  # failures in a row; an idle connection that was closed causes one


@define(kw_only=True)
class BusStats:
    """What a `PostgresBus` has done in this process."""

    stored: int = 0
    """Callbacks that this process has stored."""
    duplicates: int = 0
    """Callbacks that were stored before, by this process or another."""
    refused: int = 0
    """Callbacks that could not be stored: the vendor got 503."""
    inserts: int = 0
    """INSERTs, each of many rows."""
    notifications: int = 0
    """NOTIFYs: at most one for each INSERT."""
    delivered: int = 0
    """Callbacks read from the table, and given to this process's waits."""
    unreadable: int = 0
    """Rows of the tables that are not callbacks, and were skipped."""
    commands: int = 0
    """Commands from devices that loops of this process have taken."""
    reads: int = 0
    """SELECTs of new rows."""
    purged: int = 0
    """Old rows deleted by this process."""


@define(eq=False)
class _Waiting:
    row: InboxRow
    until: float
    """When it is rejected, unless it is stored by then."""
    ended: asyncio.Future[bool | BusUnavailable] = field(factory=asyncio.Future)
    """True: stored. False: it was there. Never an exception, which might not be retrieved."""

    def end(self, result: bool | BusUnavailable) -> None:
        if not self.ended.done():
            self.ended.set_result(result)


class InboxWriter:
    """Stores callbacks from one task, in batches that never overlap."""

    def __init__(self, connect: Connect, insert: Insert, clock: Clock, stats: BusStats) -> None:
        self._connection = KeptConnection(connect, PATIENCE)
        self._insert = insert
        self._clock = clock
        self._stats = stats
        self._waiting: dict[bytes, _Waiting] = {}
        self._work = asyncio.Event()
        self._next_at = float("-inf")
        self._failing_since: float | None = None
        self._failures = 0
        self._reason = ""
        self._task: asyncio.Task[None] | None = None
        self._closing = False

    def start(self) -> None:
        """Start its task."""
        self._closing = False
        self._task = asyncio.create_task(self._run(), name="asyncsim-inbox-writer")
        self._task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            self._closing = True  # without the task, nothing would be stored
            task.result()  # a bug is raised here, and reaches the loop's exception handler

    async def drain(self) -> None:
        """Accept no more, and store what is waiting, for as long as a callback may wait."""
        self._closing = True
        if waiting := [one.ended for one in self._waiting.values()]:
            with self._clock.working():
                await asyncio.wait(waiting, timeout=PATIENCE)

    async def stop(self) -> None:
        """End, and reject what is still waiting."""
        self._closing = True
        task, self._task = self._task, None
        try:
            if task is not None:
                await end(task)
        finally:
            for one in self._waiting.values():
                one.end(BusUnavailable("the receiver stops"))
            self._waiting.clear()
            await self._connection.close()

    async def store(self, row: InboxRow) -> bool:
        """Store a row; returns once it is durable, True if it is new. Raises BusUnavailable."""
        now = self._clock.now()
        if problem := self._problem(now):
            self._stats.refused += 1
            raise BusUnavailable(problem)
        first = (waiting := self._waiting.get(row.key)) is None
        if waiting is None:
            waiting = self._waiting[row.key] = _Waiting(row, now + PATIENCE)
            self._work.set()
        try:
            async with asyncio.timeout(_LONGEST):
                # Another delivery of the same callback may wait for it, too.
                result = await asyncio.shield(waiting.ended)
        except TimeoutError:
            result = BusUnavailable("callbacks cannot be stored: the database does not respond")
        if isinstance(result, BusUnavailable):
            self._stats.refused += 1
            raise BusUnavailable(str(result))
        new = result and first
        self._stats.stored += new
        self._stats.duplicates += not new
        return new

    def _problem(self, now: float) -> str:
        """Tell why no callback can be accepted; "" if one can."""
        if self._task is None or self._closing:
            return "the receiver is not running"
        if self._failing_since is not None and now >= self._failing_since + PATIENCE:
            return f"callbacks cannot be stored: {self._reason}"
        if len(self._waiting) >= _WAITING:
            return f"{_WAITING:,} callbacks are already waiting to be stored"
        return ""

    async def is_writable(self) -> bool:
        """Tell whether a row could be stored now."""
        if self._task is None or self._closing or self._failing_since is not None:
            return False
        try:
            return all(await self._connection.use(check_rights))
        except FAILURES as error:
            self._failed(error)
            return False

    async def _run(self) -> None:
        while True:
            if self._failing_since is not None:
                await self._try_again()
            elif self._waiting:
                pause = self._next_at - self._clock.now()
                if pause > 0:
                    await self._clock.sleep(pause)
                await self._store_batch()
            else:
                self._work.clear()
                await self._work.wait()

    async def _store_batch(self) -> None:
        batch = dict(islice(self._waiting.items(), _LARGEST))
        self._next_at = self._clock.now() + TICK
        try:
            with self._clock.working():
                rows = [one.row for one in batch.values()]
                new = await self._connection.use(lambda found: self._insert(found, rows))
        except FAILURES as error:
            self._failed(error)
            if not is_transient(error):
                self._reject(batch)  # a permanent error: a missing table, a full disk
            return
        self._stats.inserts += 1
        self._stats.notifications += bool(new)
        self._succeeded()
        for key, one in batch.items():
            del self._waiting[key]
            one.end(key in new)

    async def _try_again(self) -> None:
        """Store a batch, or check whether one could be stored; pause unless this succeeds.

        The first attempt is immediate: the server may only have closed an idle connection.
        """
        if self._waiting:
            await self._store_batch()
        else:
            try:
                if all(await self._connection.use(check_rights)):
                    self._succeeded()
            except FAILURES as error:
                self._failed(error)
        if self._failing_since is not None:
            now = self._clock.now()
            self._reject({key: one for key, one in self._waiting.items() if one.until <= now})
            await self._clock.sleep(_RETRY_EVERY)

    def _reject(self, batch: dict[bytes, _Waiting]) -> None:
        for key, one in batch.items():
            self._waiting.pop(key, None)
            one.end(BusUnavailable(f"callbacks cannot be stored: {self._reason}"))

    def _failed(self, error: Exception) -> None:
        self._reason = remedy_of(error)
        self._failures += 1
        if self._failing_since is None:
            self._failing_since = self._clock.now()
            self._work.set()  # the task checks when the database is back
        if self._failures == _REPORTED_FROM:
            logger.warning("callbacks cannot be stored: %s", self._reason)

    def _succeeded(self) -> None:
        if self._failures >= _REPORTED_FROM:
            logger.warning("callbacks can be stored again")
        self._failing_since, self._failures = None, 0

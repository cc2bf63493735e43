"""`PostgresBus`: callbacks that one process receives end waits in all processes.

A receiver stores each verified callback in the table `asyncsim.inbox`, and responds once it is
durable. Every process with pending waits reads new rows, and gives them to its own `CallbackBus`.
Commands from devices are in `asyncsim.commands`, and each goes to one process.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING

from attrs import evolve

from asyncsim.callbacks.bus import Callback
from asyncsim.callbacks.shared import Publish, TakenCommand
from asyncsim.clock import SYSTEM_CLOCK, Clock
from asyncsim.errors import ConfigurationError
from asyncsim.event_loops import must_bind
from asyncsim.postgres.bounded import end

if TYPE_CHECKING:  # psycopg is loaded with the first bus: `from asyncsim import *` needs no extra
    from asyncsim.postgres.inbox_writer import BusStats

_CHECK_FOR = 1.0  # seconds for which a health check is cached, because anyone may send one


class PostgresBus:
    """Shares callbacks between processes through a table in PostgreSQL; give it to a receiver.

    `url` is `postgresql://user@host/database`; `asyncsim jobs migrate --journal URL` creates its
    tables. A callback is acknowledged once it is durable. While the database is down, the vendor
    gets 503, and waits poll. Rows are deleted after `keep_hours`.

    A Command from a device goes to one loop over `receiver.commands()` in any process. If this loop
    does not ask for the next one within `handle_within` seconds, another loop gets the Command.
    `clock` is for tests.
    """

    def __init__(
        self,
        url: str,
        *,
        keep_hours: float = 1.0,
        handle_within: float = 60.0,
        clock: Clock | None = None,
    ) -> None:
        from asyncsim.postgres import commands, inbox
        from asyncsim.postgres.command_taker import CommandTaker
        from asyncsim.postgres.engine import PostgresUrl, connect
        from asyncsim.postgres.inbox_reader import InboxReader
        from asyncsim.postgres.inbox_upkeep import check_tables, purge_regularly
        from asyncsim.postgres.inbox_writer import BusStats, InboxWriter
        from asyncsim.postgres.listen import listening

        for name, number in (("keep_hours", keep_hours), ("handle_within", handle_within)):
            if not 0 < number < math.inf:
                raise ConfigurationError(f"{name}={number!r}: must be a number above 0")
        self._url = PostgresUrl.parse(url)
        self._clock = clock or SYSTEM_CLOCK
        self._stats = BusStats()
        connect_here = partial(connect, self._url)
        self._write_row = inbox.InboxRow.of
        self._check_tables = partial(check_tables, connect_here, self._url.shown)
        self._purge = partial(
            purge_regularly, connect_here, self._clock, keep_hours * 3600, self._stats
        )
        # Made for each event loop: asyncio binds events and locks to the first one that uses them.
        self._make_writer = partial(
            InboxWriter, connect_here, inbox.insert, self._clock, self._stats
        )
        self._make_command_writer = partial(
            InboxWriter, connect_here, commands.insert, self._clock, self._stats
        )
        self._make_reader = partial(
            InboxReader,
            connect_here,
            partial(listening, self._url, inbox.CHANNEL),
            self._clock,
            self._stats,
            self._publish,
        )
        self._make_taker = partial(
            CommandTaker,
            connect_here,
            partial(listening, self._url, commands.CHANNEL),
            self._clock,
            self._stats,
            handle_within,
        )
        self._publishers: list[Publish] = []
        self._bind(None)

    def _bind(self, loop: asyncio.AbstractEventLoop | None) -> None:
        """Belong to an event loop; starts afresh there."""
        self._loop = loop
        self._writer, self._command_writer = self._make_writer(), self._make_command_writer()
        self._reader, self._taker = self._make_reader(), self._make_taker()
        self._starting = asyncio.Lock()
        self._starts = 0
        self._purging: asyncio.Task[None] | None = None
        self._checking = asyncio.Lock()
        self._checked = (-math.inf, False)
        """When the last health check ended, and how."""

    def _use_loop(self) -> None:
        """Belong to the running loop; ConfigurationError while another one uses this bus."""
        in_use = self._starts > 0 or self._starting.locked()
        if must_bind(self._loop, in_use=in_use, name="PostgresBus"):
            self._bind(asyncio.get_running_loop())

    def __repr__(self) -> str:
        return f"<PostgresBus {self._url.shown}, {self._stats}>"

    @property
    def counts(self) -> BusStats:
        """What it has done so far in this process; a copy."""
        return evolve(self._stats)

    async def start(self) -> None:
        """Start; the receiver calls this. Each start needs a stop.

        Raises `ConfigurationError` if a table or a privilege is missing. A database that does not
        respond is not an error: it may be back soon.
        """
        self._use_loop()
        async with self._starting:
            if self._starts == 0:
                await self._check_tables()
                self._writer.start()
                self._command_writer.start()
                self._taker.start()
                self._purging = asyncio.create_task(self._purge(), name="asyncsim-inbox-purge")
            self._starts += 1
            if self._publishers:
                self._reader.begin()

    async def stop(self) -> None:
        """Undo one `start`; the last one stores what was accepted, then stops."""
        if self._starts > 0:
            self._use_loop()
        # Also if this is cancelled while a `start` has the lock, which ends within seconds:
        # otherwise what it starts would never stop.
        cancelled: asyncio.CancelledError | None = None
        is_ours = False
        while not is_ours:
            try:
                is_ours = await self._starting.acquire()
            except asyncio.CancelledError as error:
                cancelled = error
        try:
            self._starts = max(0, self._starts - 1)
            if self._starts == 0 and self._purging is not None:
                purging, self._purging = self._purging, None
                async with AsyncExitStack() as stack:  # all of them, also if this is cancelled
                    stack.push_async_callback(end, purging)
                    for part in (self._taker, self._reader, self._command_writer, self._writer):
                        stack.push_async_callback(part.stop)
                    if cancelled is None:
                        await asyncio.gather(self._writer.drain(), self._command_writer.drain())
        finally:
            self._starting.release()
        if cancelled is not None:
            raise cancelled

    async def accept(self, callback: Callback, token: str) -> bool:
        """Store a verified callback; returns once it is durable, True if it was there before."""
        self._use_loop()
        return not await self._writer.store(self._write_row(callback, token))

    async def accept_command(self, command: Callback, token: str, scope: str) -> bool:
        """Store a verified Command from a device; as `accept`."""
        self._use_loop()
        return not await self._command_writer.store(self._write_row(command, token, scope))

    async def take_command(
        self, scopes: Callable[[], Sequence[str]], is_open: Callable[[], bool]
    ) -> TakenCommand | None:
        """Wait for the next Command of these scopes; None once `is_open()` is False."""
        self._use_loop()
        return await self._taker.take(scopes, is_open)

    async def finish_command(self, key: bytes, is_open: Callable[[], bool]) -> None:
        """Record that a Command has been handled."""
        self._use_loop()
        await self._taker.finish(key, is_open)

    def wake_takers(self) -> None:
        """Wake all `take_command`, so that they check `is_open` again."""
        self._taker.wake()

    def attach(self, publish: Publish) -> Callable[[], None]:
        """Call `publish` with callbacks of all processes, until the returned function is called."""
        self._publishers.append(publish)
        if self._starts > 0:
            self._reader.begin()

        def detach() -> None:
            if publish in self._publishers:
                self._publishers.remove(publish)
            if not self._publishers:
                self._reader.end()

        return detach

    def _publish(self, callback: Callback) -> None:
        # Once each, because a receiver attaches for every product of its clients.
        for publish in dict.fromkeys(self._publishers):
            publish(callback)

    async def is_writable(self) -> bool:
        """Tell whether callbacks can be stored now; cached for a second."""
        self._use_loop()
        async with self._checking:
            at, writable = self._checked
            if self._clock.now() >= at + _CHECK_FOR:
                writable = await self._writer.is_writable()
                self._checked = (self._clock.now(), writable)
            return writable

"""Takes Commands from devices out of their table, for the loops of this process."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial

from asyncsim.callbacks.shared import TakenCommand
from asyncsim.clock import Clock
from asyncsim.errors import ConfigurationError
from asyncsim.postgres import commands
from asyncsim.postgres.bounded import end
from asyncsim.postgres.engine import FAILURES, Connection, is_transient, remedy_of
from asyncsim.postgres.inbox_reader import POLL_EVERY
from asyncsim.postgres.inbox_writer import PATIENCE, BusStats
from asyncsim.postgres.kept_connection import Connect, KeptConnection

logger = logging.getLogger("asyncsim")

_RETRY_EVERY = 1.0  # seconds between attempts to record that one was handled
_REPORTED_FROM = 3  # failures in a row; a restart of the server causes fewer


class CommandTaker:
    """Hands Commands to loops, one at a time, over one connection."""

    def __init__(
        self,
        connect: Connect,
        listen: Callable[[Callable[[], object]], AbstractAsyncContextManager[object]],
        clock: Clock,
        stats: BusStats,
        handle_within: float,
    ) -> None:
        self._connection = KeptConnection(connect, PATIENCE)
        self._listen = listen
        """Calls its argument whenever there may be new rows."""
        self._clock = clock
        self._stats = stats
        self._handle_within = handle_within
        self._woken = asyncio.Event()
        self._wakes = 0
        self._failures = 0
        self._has_worked = False
        self._has_warned = False
        self._started = False
        self._waking: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start handing Commands to loops."""
        self._started = True
        self.wake()

    async def take(
        self, scopes: Callable[[], Sequence[str]], is_open: Callable[[], bool]
    ) -> TakenCommand | None:
        """Wait for the next Command of these scopes; None once `is_open()` is False.

        ConfigurationError if the table cannot be used.
        """
        while is_open():
            wakes = self._wakes
            if self._started:
                self._keep_waking()
                if (taken := await self._try_to_take(scopes())) is not None:
                    self._stats.commands += 1
                    return taken
            if wakes == self._wakes:
                await self._woken.wait()
        return None

    async def finish(self, key: bytes, is_open: Callable[[], bool]) -> None:
        """Record that a Command has been handled; retries while `is_open()` is True."""
        while True:
            try:
                await self._connection.use(partial(commands.finish, key=key))
                if not self._started:  # a last one, after the stop
                    await self._connection.close()
                return
            except FAILURES as error:
                self._report(error)
                if not is_open():
                    logger.warning(
                        "a handled Command could not be recorded, so another loop will get it: %s",
                        remedy_of(error),
                    )
                    return
            await self._clock.sleep(_RETRY_EVERY)

    def wake(self) -> None:
        """Wake all waiting loops."""
        self._wakes += 1
        self._woken.set()
        self._woken.clear()

    async def stop(self) -> None:
        """Hand out no Commands until the next start, and close the connection."""
        self._started = False
        self.wake()
        try:
            if self._waking is not None:
                await end(self._waking)
        finally:
            await self._connection.close()

    def _keep_waking(self) -> None:
        """Wake waiting loops regularly; starts with the first loop, as most processes have none."""
        if self._waking is None:
            self._waking = asyncio.create_task(self._wake_regularly(), name="asyncsim-commands")
            self._waking.add_done_callback(self._waking_ended)

    def _waking_ended(self, task: asyncio.Task[None]) -> None:
        self._waking = None
        if not task.cancelled():
            self.wake()
            task.result()  # a bug is raised here, and reaches the loop's exception handler

    async def _wake_regularly(self) -> None:
        # A notification may be lost, and there is none when the time of a Command's loop is over.
        async with self._listen(self.wake):
            while True:
                await self._clock.sleep(POLL_EVERY)
                self.wake()

    async def _try_to_take(self, scopes: Sequence[str]) -> TakenCommand | None:
        try:
            with self._clock.working():
                taking = partial(self._take_readable, scopes=scopes)
                taken = await self._connection.use(taking)
        except FAILURES as error:
            self._report(error)
            return None
        if self._failures >= _REPORTED_FROM:
            logger.warning("Commands from devices can be read again")
        self._failures, self._has_worked = 0, True
        return taken

    async def _take_readable(
        self, connection: Connection, scopes: Sequence[str]
    ) -> TakenCommand | None:
        while True:
            try:
                return await commands.take(connection, scopes, self._handle_within)
            except ValueError as error:  # a row that is no Command; the next one may be
                self._stats.unreadable += 1
                if not self._has_warned:  # once: there may be many of its kind
                    self._has_warned = True
                    text = "skipping rows of asyncsim.commands that are not Commands: %s"
                    logger.warning(text, error)

    def _report(self, error: Exception) -> None:
        # Later, such an error may be temporary: a changed password, a privilege granted again.
        if not (self._has_worked or is_transient(error)):
            raise ConfigurationError(
                f"Commands from devices cannot be read: {remedy_of(error)}"
            ) from None
        self._failures += 1
        if self._failures == _REPORTED_FROM:
            logger.warning("Commands from devices cannot be read: %s", remedy_of(error))

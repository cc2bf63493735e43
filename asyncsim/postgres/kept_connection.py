"""A connection that is kept from one use to the next."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from asyncsim.postgres.bounded import within
from asyncsim.postgres.engine import Connection

T = TypeVar("T")

Connect = Callable[[], Coroutine[Any, Any, Connection]]


class KeptConnection:
    """One connection, opened when it is needed, for one use at a time.

    It is closed after an error, a timeout or a cancellation, because the server may still be
    executing a statement.
    """

    def __init__(self, connect: Connect, seconds: float) -> None:
        self._connect = connect
        self._seconds = seconds
        """The time limit of one use."""
        self._connection: Connection | None = None
        self._one_user = asyncio.Lock()
        self._use: object = None
        """The present use; None between two."""

    async def use(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """Do work with it; raises FAILURES, such as TimeoutError if it takes too long."""
        async with self._one_user:
            use = self._use = object()
            try:
                return await within(
                    self._seconds, self._connect_and(work, use), "asyncsim-connection"
                )
            except BaseException:
                await self._disconnect()
                raise
            finally:
                self._use = None

    async def _connect_and(self, work: Callable[[Connection], Awaitable[T]], use: object) -> T:
        if self._connection is None:
            connection = await self._connect()
            if use is not self._use:  # `within` has given this up, and the driver went on
                await connection.close()
                raise TimeoutError("connected too late")
            # Kept at once: if a cancellation comes first, `within` loses the result, and the
            # connection would stay open.
            self._connection = connection
        return await work(self._connection)

    async def close(self) -> None:
        """Close it after the present use; the next use opens another."""
        async with self._one_user:
            await self._disconnect()

    async def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()  # sends nothing that it waits for

"""Clients that nobody closed: each says so by its name, and its connections are closed then.

aiohttp would report its own sessions and connectors instead, which no user of this package knows.
"""

from __future__ import annotations

import asyncio
import logging
import warnings
import weakref
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import suppress
from typing import Any

logger = logging.getLogger("asyncsim")

Close = Callable[[], Coroutine[object, None, object]]

_cleaning: set[asyncio.Task[None]] = set()
"""Tasks that close the connections of collected clients; a loop keeps only weak references."""


class OpenClient:
    """Watches over one open client, without keeping it alive.

    It notices the end of the client's event loop by an asynchronous generator, which `asyncio.run`
    closes while the loop still runs, and the collection of the client by a finalizer. The finalizer
    holds the connections, so that they outlive the client and can still be closed.
    """

    def __init__(self, client: Any, name: str, close_connections: Close) -> None:
        self._client = weakref.ref(client)
        self._name = name
        self._close_connections = close_connections
        self._loop = asyncio.get_running_loop()
        self._end = self._until_the_loop_ends()
        self._finalizer = weakref.finalize(client, self._collected)

    async def start(self) -> None:
        """Start to watch."""
        await anext(self._end)  # from now on the loop knows the generator

    async def stop(self) -> None:
        """Stop, because the client is being closed; may be called again."""
        if self._finalizer.detach() is not None and self._loop is asyncio.get_running_loop():
            await self._end.aclose()

    async def _until_the_loop_ends(self) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            client = self._client()
            if client is not None and self._finalizer.detach() is not None:
                try:
                    await client.close()
                finally:
                    self._say("its event loop has ended")

    def _collected(self) -> None:
        """Close the connections of a client to which no reference is left, or at exit."""
        if self._loop.is_running():
            # A collection may happen in any thread.
            self._loop.call_soon_threadsafe(self._start_cleaning)
        else:
            # No loop waits until they have closed; the first step closes them on this side.
            with suppress(StopIteration):
                self._close_connections().send(None)
        self._say("nothing refers to it any more, or the program ends")

    def _start_cleaning(self) -> None:
        task = self._loop.create_task(self._clean(), name="asyncsim-close-connections")
        _cleaning.add(task)
        task.add_done_callback(_cleaning.discard)

    async def _clean(self) -> None:
        try:
            await self._close_connections()
        finally:
            await self._end.aclose()

    def _say(self, why: str) -> None:
        text = (
            f"{self._name} was left open, and {why}; call `await client.close()` when you no longer"
            " need it, or use `async with`"
        )
        logger.warning("%s", text)  # visible by default, unlike the other one
        warnings.warn(text, ResourceWarning, stacklevel=2)

"""A proxy in front of PostgreSQL that loses connections at a chosen moment of a transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Literal, Self
from urllib.parse import urlsplit

Moment = Literal["before COMMIT", "after COMMIT"]


class LossyProxy:
    """Forwards connections; `lose` cuts the next transaction off, `cut` all that are open.

    `freeze` forwards nothing more, and keeps them open, as a server does that is frozen. `until`
    waits for what clients do meanwhile.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname, parts.port
        self._parts = parts
        self._server: asyncio.Server | None = None
        self._moment: Moment | None = None
        self.tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self.losses = 0
        self.connections = 0
        self.refusing = False
        self.refused = 0
        self.held = 0
        """Pieces of data that it has held back since it was frozen."""
        self._frozen_by: bytes | None = None
        self._running = asyncio.Event()
        self._running.set()
        self._changed = asyncio.Event()

    @property
    def url(self) -> str:
        """The URL of the database through this proxy."""
        assert self._server is not None
        port = self._server.sockets[0].getsockname()[1]
        user = self._parts.netloc.rpartition("@")[0]
        return self._parts._replace(netloc=f"{user}@127.0.0.1:{port}").geturl()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    def lose(self, moment: Moment) -> None:
        """Cut the next transaction off: before the server receives its COMMIT, or after it."""
        self._moment = moment

    def freeze(self, at: bytes | None = None) -> None:
        """Forward nothing from now on, also of new connections; `at`: from this statement on."""
        self.held, self._frozen_by = 0, at
        if at is None:
            self._running.clear()

    def thaw(self) -> None:
        """Go on, with what has arrived meanwhile."""
        self._frozen_by = None
        self._running.set()

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait until that is so, of what is counted here."""
        async with asyncio.timeout(30):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    def cut(self) -> None:
        """Cut all connections."""
        for writer in list(self._writers):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._changed.set()
        if self.refusing:
            self.refused += 1
            writer.transport.abort()
            return
        self.connections += 1
        from_server, to_server = await asyncio.open_connection(self._host, self._port)
        ends = (writer, to_server)
        self._writers.update(ends)
        committed = asyncio.Event()
        self._spawn(self._forward(reader, to_server, ends, committed))
        self._spawn(self._forward(from_server, writer, ends, committed))

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.ensure_future(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _forward(
        self,
        source: asyncio.StreamReader,
        sink: asyncio.StreamWriter,
        ends: tuple[asyncio.StreamWriter, asyncio.StreamWriter],
        committed: asyncio.Event,
    ) -> None:
        to_server = sink is ends[1]
        try:
            while data := await source.read(65536):
                if self._frozen_by is not None and self._frozen_by in data:
                    self._running.clear()
                if not self._running.is_set():
                    self.held += 1
                    self._changed.set()
                    await self._running.wait()
                if to_server and b"COMMIT" in data and self._moment is not None:
                    if self._moment == "before COMMIT":
                        self._moment = None
                        self.losses += 1
                        return
                    committed.set()
                if not to_server and committed.is_set():
                    # Only now: the server has responded, so it has committed.
                    self._moment = None
                    self.losses += 1
                    return
                sink.write(data)
                await sink.drain()
        except ConnectionError:
            pass
        finally:
            for end in ends:
                self._writers.discard(end)
                end.transport.abort()

"""A proxy in front of PostgreSQL that loses connections at a chosen moment of a transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from types import TracebackType
from typing import Literal, Self
from urllib.parse import urlsplit

Moment = Literal["before COMMIT", "after COMMIT"]


class LossyProxy:
    """Forwards connections; `lose` cuts the next transaction off, `cut` all that are open.

    `freeze` forwards nothing more, and keeps them open, as a server does that is frozen.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname, parts.port
        self._parts = parts
        self._server: asyncio.Server | None = None
        self._moment: Moment | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self.losses = 0
        self.connections = 0
        self.refusing = False
        self._running = asyncio.Event()
        self._running.set()

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
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def lose(self, moment: Moment) -> None:
        """Cut the next transaction off: before the server receives its COMMIT, or after it."""
        self._moment = moment

    def freeze(self) -> None:
        """Forward nothing from now on, also of new connections."""
        self._running.clear()

    def thaw(self) -> None:
        """Go on, with what has arrived meanwhile."""
        self._running.set()

    def cut(self) -> None:
        """Cut all connections."""
        for writer in list(self._writers):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.refusing:
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
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

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

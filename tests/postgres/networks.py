"""Workers in network namespaces of their own, whose way to the database can be cut."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import secrets
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from attrs import define, field, frozen

from tests.postgres.fixtures import not_possible

# Addresses for tests of networks (RFC 2544), used nowhere else.
RANGE = "198.18.0.0/15"
_NEWNET = 0x40000000  # CLONE_NEWNET, setns(2)


@frozen
class Network:
    """A namespace with one wire, to the database; the API is on its loopback, by a `Tap`."""

    name: str
    number: int

    @property
    def database(self) -> str:
        """This side's address of the wire to the database."""
        return f"198.18.{self.number}.1"

    @property
    def command(self) -> tuple[str, ...]:
        """What precedes a command that is to run inside."""
        return ("ip", "netns", "exec", self.name)

    def create(self) -> None:
        """Create the namespace and its wire."""
        here, there = f"{self.name}-0", f"{self.name}-1"
        _ip("netns", "add", self.name)
        _ip("link", "add", here, "type", "veth", "peer", "name", there, "netns", self.name)
        _ip("addr", "add", f"{self.database}/30", "dev", here)
        _ip("-netns", self.name, "addr", "add", f"{self.database[:-1]}2/30", "dev", there)
        _ip("link", "set", here, "up")
        for inside in ("lo", there):
            _ip("-netns", self.name, "link", "set", inside, "up")

    def remove(self) -> None:
        """Remove the namespace; its wire goes with it."""
        with contextlib.suppress(AssertionError):
            _ip("netns", "delete", self.name)

    def listen(self, port: int) -> socket.socket:
        """Return a socket that listens inside, on its loopback; usable from here."""
        made: list[socket.socket] = []

        def inside() -> None:
            with Path("/var/run/netns", self.name).open("rb") as namespace:
                # Of this thread only; a socket stays in the namespace where it was made.
                if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), _NEWNET):
                    raise OSError(ctypes.get_errno(), "setns")
            made.append(socket.create_server(("127.0.0.1", port)))

        thread = threading.Thread(target=inside)
        thread.start()
        thread.join()
        return made[0]

    def cut(self, *, replies_only: bool) -> None:
        """Cut the wire to the database, without a word to either side.

        With `replies_only` what is sent still arrives there: a heartbeat counts, and its sender
        never learns of it.
        """
        if replies_only:
            _ip("route", "add", "blackhole", f"{self.database[:-1]}2/32")
        else:
            _ip("link", "set", f"{self.name}-0", "down")

    def mend(self, *, replies_only: bool) -> None:
        """Undo `cut`."""
        if replies_only:
            _ip("route", "delete", "blackhole", f"{self.database[:-1]}2/32")
        else:
            _ip("link", "set", f"{self.name}-0", "up")


@contextlib.contextmanager
def networks(count: int) -> Iterator[list[Network]]:
    """Create that many; needs root and iproute2."""
    # Other runs on this machine have theirs.
    first = secrets.randbelow(250 - count)
    made = [
        Network(f"as{os.getpid() % 10**6:x}{number}", first + number) for number in range(count)
    ]
    try:
        for one in made:
            try:
                one.create()
            except (AssertionError, FileNotFoundError) as error:
                not_possible(f"network namespaces need root and iproute2: {error}")
        yield made
    finally:
        for one in made:
            one.remove()


def _ip(*arguments: str) -> None:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"ip {' '.join(arguments)}: {done.stderr}"


@define(eq=False)
class Exchange:
    """A request that passed a tap, by the clock of the event loop."""

    method: str
    path: str
    began: float
    ended: float | None = None
    """When its response was complete, or its connection was closed; None: it is in flight."""
    response: bool = False


@define(eq=False)
class Tap:
    """The API inside a network, under its own URL: forwards and records requests."""

    network: Network
    port: int
    exchanges: list[Exchange] = field(factory=list)
    _server: asyncio.Server | None = None
    _tasks: set[asyncio.Task[None]] = field(factory=set)

    @property
    def posts(self) -> list[Exchange]:
        """Requests that change something."""
        return [one for one in self.exchanges if one.method == "POST"]

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, sock=self.network.listen(self.port))
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        onward_reader, onward_writer = await asyncio.open_connection("127.0.0.1", self.port)
        current: list[Exchange] = []
        now = asyncio.get_running_loop().time

        async def requests() -> None:
            while head := await _head(reader):
                method, path, _ = head.split(b" ", 2)
                current.append(Exchange(method.decode(), path.decode(), now()))
                self.exchanges.append(current[-1])
                onward_writer.write(head + await reader.readexactly(_length(head)))

        async def responses() -> None:
            while head := await _head(onward_reader):
                writer.write(head + await onward_reader.readexactly(_length(head)))
                current[-1].ended, current[-1].response = now(), True

        ways = [asyncio.create_task(requests()), asyncio.create_task(responses())]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if current and current[-1].ended is None:
                current[-1].ended = now()
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            onward_writer.close()
            writer.close()


async def _head(reader: asyncio.StreamReader) -> bytes:
    """Read up to the empty line; empty once the other side has closed, or is gone."""
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return b""


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    assert b"chunked" not in head.lower()
    return 0

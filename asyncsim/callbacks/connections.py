"""Connection limits of the receiver's port: how many are open, which one is closed first."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import socket
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

from asyncsim.http.limiter import open_file_limit

logger = logging.getLogger("asyncsim")

# Connections that asyncio accepts at once, before the limiter can see that there are too many.
_ACCEPT_BATCH = 16
# Connections that the kernel queues while none is accepted. An excess one is dropped, and
# its sender tries again a second later at the earliest (RFC 6298, section 2.1).
_KERNEL_BACKLOG = 1024
_MIN_PAUSE = 0.05  # seconds without accepting, unless a connection closes: pausing costs syscalls

_GRACE = 0.1  # seconds in which a new connection's request is read, also during a flood
_FIRST_REQUEST = 15.0  # seconds; both vendors hang up after as many (Twilio docs, error 11205)
_RESERVED = 5.0  # seconds after a callback in which a connection is not evicted
_IDLE = 130.0  # seconds; above the server's keep-alive, so it also ends a response that is not read

_Peer = TypeVar("_Peer")


class OpenConnections(Generic[_Peer]):
    """Open connections in the order in which they may be evicted; no sockets, no clock.

    A connection is *proven* once a request of it was accepted, which takes a ticket. Unproven ones
    are evicted first, so a sender without a ticket cannot displace the connections that a reverse
    proxy keeps open, however many it opens itself.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._unproven: OrderedDict[_Peer, float] = OrderedDict()
        """By the time of arrival, oldest first."""
        self._proven: OrderedDict[_Peer, float] = OrderedDict()
        """By the time of the latest accepted request, idle for longest first."""

    def __len__(self) -> int:
        return len(self._unproven) + len(self._proven)

    def add(self, peer: _Peer, now: float) -> None:
        """Add a new connection."""
        self._unproven[peer] = now

    def request_accepted(self, peer: _Peer, now: float) -> None:
        """Mark a connection as proven, and just used; ignored when it is closed."""
        if peer in self._proven:
            self._proven[peer] = now
            self._proven.move_to_end(peer)
        elif self._unproven.pop(peer, None) is not None:
            self._proven[peer] = now

    def remove(self, peer: _Peer) -> None:
        """Forget a closed connection; ignored when it was evicted."""
        self._unproven.pop(peer, None)
        self._proven.pop(peer, None)

    @property
    def evictable_at(self) -> float:
        """When the first connection may be evicted; infinity when there is none."""
        if self._unproven:
            return next(iter(self._unproven.values())) + _GRACE
        if self._proven:
            return next(iter(self._proven.values())) + _RESERVED
        return math.inf

    def evict(self, now: float) -> _Peer | None:
        """Remove the one to close in favour of a new one; None while all are in use."""
        if now < self.evictable_at:
            return None
        queue = self._unproven or self._proven
        return queue.popitem(last=False)[0] if queue else None

    @property
    def times_out_at(self) -> float:
        """When the first connection will have been idle for too long."""
        times = (
            next(iter(queue.values())) + seconds
            for queue, seconds in ((self._unproven, _FIRST_REQUEST), (self._proven, _IDLE))
            if queue
        )
        return min(times, default=math.inf)

    def take_timed_out(self, now: float) -> list[_Peer]:
        """Remove those that have been idle for too long."""
        timed_out = []
        for queue, seconds in ((self._unproven, _FIRST_REQUEST), (self._proven, _IDLE)):
            while queue and next(iter(queue.values())) + seconds <= now:
                timed_out.append(queue.popitem(last=False)[0])
        return timed_out


def connection_limit(max_connections: int) -> int:
    """Reduce a limit to what the process can open: a quarter of its files.

    Another quarter is for the client's requests (`Throttle.maximum`), half for everything else.
    """
    return int(max(1, min(max_connections, open_file_limit() / 4 - _ACCEPT_BATCH)))


class ConnectionLimiter:
    """The listening sockets of one port, and the connections they accepted.

    At the limit it evicts connections that may be evicted; while there is none, it stops accepting
    and leaves new ones to the kernel's backlog.
    """

    def __init__(self, max_connections: int) -> None:
        self._connections = OpenConnections[asyncio.Transport](connection_limit(max_connections))
        self._servers: list[asyncio.Server] = []
        """One for each address of the host; those that accept."""
        self._paused: list[socket.socket] = []
        """Copies of the sockets while accepting is paused: the kernel goes on listening."""
        self._stopped: list[asyncio.Server] = []
        """Servers that accept no more, still to be closed."""
        self._resuming: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._now = asyncio.get_running_loop().time
        self._protocol_factory: Callable[[], asyncio.BaseProtocol] = asyncio.Protocol
        self._closed = False

    async def listen(
        self, protocol_factory: Callable[[], asyncio.BaseProtocol], host: str, port: int
    ) -> int:
        """Listen, and return the port; OSError when it cannot be had."""
        self._protocol_factory = protocol_factory
        loop = asyncio.get_running_loop()
        server = await loop.create_server(protocol_factory, host, port, backlog=_ACCEPT_BATCH)
        self._servers.append(server)
        _lengthen_backlog(server)
        return int(server.sockets[0].getsockname()[1])

    def connection_opened(self, peer: asyncio.Transport) -> None:
        """Count a new connection; at the limit, evict another one for it."""
        self._connections.add(peer, self._now())
        self._enforce_limit()

    def request_accepted(self, peer: asyncio.Transport) -> None:
        """Mark a connection as one that brings callbacks."""
        self._connections.request_accepted(peer, self._now())

    def connection_closed(self, peer: asyncio.Transport) -> None:
        """Stop counting a connection."""
        self._connections.remove(peer)
        if self._paused:
            self._enforce_limit()

    def _enforce_limit(self) -> None:
        connections, now = self._connections, self._now()
        for peer in connections.take_timed_out(now):
            peer.abort()
        while len(connections) > connections.limit and (one := connections.evict(now)) is not None:
            one.abort()
        if len(connections) < connections.limit or now >= connections.evictable_at:
            if self._paused and self._resuming is None and not self._closed:
                name = "asyncsim-receiver-accepts"
                self._resuming = asyncio.create_task(self._resume_accepting(), name=name)
        else:
            self._pause_accepting()

        # One timer for all connections, set to when the first of these will change.
        check_at = connections.times_out_at
        if self._paused:
            check_at = min(check_at, max(connections.evictable_at, self._now() + _MIN_PAUSE))
        if not math.isfinite(check_at):
            return
        if self._timer is not None:
            if self._timer.when() <= check_at:
                return
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_at(check_at, self._check)

    def _check(self) -> None:
        self._timer = None
        self._enforce_limit()

    def _pause_accepting(self) -> None:
        # Neither asyncio nor uvloop can pause a server. One that is closed gives up its socket, but
        # not a copy of it, which keeps the connections that the kernel has queued already.
        if self._paused or not self._servers:
            return
        with contextlib.suppress(OSError):  # no descriptor left: better too many than none
            self._paused = [_duplicate(one) for server in self._servers for one in server.sockets]
            self._stopped, self._servers = self._servers, []
            for server in self._stopped:
                _stop_accepting(server)

    async def _resume_accepting(self) -> None:
        loop = asyncio.get_running_loop()
        self._close_stopped()
        try:
            while self._paused:
                server = await loop.create_server(
                    self._protocol_factory, sock=self._paused[-1], backlog=_ACCEPT_BATCH
                )
                self._paused.pop()
                self._servers.append(server)
                _lengthen_backlog(server)
        except OSError as error:
            logger.warning("cannot accept callbacks just now: %s", error)  # the timer tries again
        finally:
            self._resuming = None

    async def close(self) -> None:
        """Close the port; connections stay as they are."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        if self._resuming is not None:
            self._resuming.cancel()
            await asyncio.gather(self._resuming, return_exceptions=True)
        for server in self._servers:
            _stop_accepting(server)
        await asyncio.sleep(0)  # two loop turns, for connections just accepted: see _stop_accepting
        await asyncio.sleep(0)
        self._stopped += self._servers
        self._close_stopped()
        for one in self._paused:
            one.close()
        self._paused = []

    def _close_stopped(self) -> None:
        while self._stopped:
            self._stopped.pop().close()


def _stop_accepting(server: asyncio.Server) -> None:
    """Stop a server from accepting, without closing it where that is possible.

    asyncio accepts first and sets connections up in the next turn of the loop: those in between are
    lost when the server is closed, and asyncio logs an AssertionError for each.
    """
    loop = asyncio.get_running_loop()
    # A simulated network, as in tests, has sockets without file numbers.
    files = [file for one in server.sockets if (file := one.fileno()) >= 0]
    try:
        stopped = set(map(loop.remove_reader, files)) <= {True}
    except NotImplementedError:  # Windows
        stopped = False
    if not stopped:  # uvloop works differently, and sets connections up at once
        server.close()


def _lengthen_backlog(server: asyncio.Server) -> None:
    """Lengthen the kernel's queue: asyncio uses one number for it and for accepting at once."""
    for one in server.sockets:
        if one.fileno() >= 0:  # not of a simulated network
            with _duplicate(one) as same:
                same.listen(_KERNEL_BACKLOG)


def _duplicate(one: socket.socket) -> socket.socket:
    return socket.fromfd(one.fileno(), one.family, one.type)

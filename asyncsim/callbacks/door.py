"""A receiver's port: no more connections than there are places, none of them for ever."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import socket
from collections.abc import Callable

from asyncsim.callbacks.crowd import Crowd
from asyncsim.http.limiter import open_file_limit

logger = logging.getLogger("asyncsim")

# Connections that asyncio accepts in one go, before it is seen that there are too many.
_AT_ONCE = 16
# Connections that the kernel holds until there is a place. One that finds no room even there is
# dropped, and its sender repeats it a second later at the soonest (RFC 6298, section 2.1).
_WAITING = 1024
_SHUT_FOR = 0.05  # seconds at least, unless one leaves: to shut and open again costs a little


def places(most: int) -> int:
    """How many connections to let in: a quarter of the files at most.

    Another quarter is the client's (`Throttle.maximum`), and half is left to everybody else.
    """
    return int(max(1, min(most, open_file_limit() / 4 - _AT_ONCE)))


class Door:
    """One port, or one for each address of a host, and the connections that came in by it."""

    def __init__(self, most: int) -> None:
        self._crowd: Crowd[asyncio.Transport] = Crowd(places(most))
        self._servers: list[asyncio.Server] = []
        self._shut: list[socket.socket] = []
        """Copies of their sockets while nobody is let in: the kernel goes on listening."""
        self._stopped: list[asyncio.Server] = []
        self._opening: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._now = asyncio.get_running_loop().time
        self._make: Callable[[], asyncio.BaseProtocol] = asyncio.Protocol
        self._closed = False

    async def open(self, make: Callable[[], asyncio.BaseProtocol], host: str, port: int) -> int:
        """Listen, and return the port; OSError when it cannot be had."""
        self._make = make
        loop = asyncio.get_running_loop()
        server = await loop.create_server(make, host, port, backlog=_AT_ONCE)
        self._servers.append(server)
        _hold_many(server)
        return int(server.sockets[0].getsockname()[1])

    def came(self, peer: asyncio.Transport) -> None:
        """Take in a new connection, in the place of another if need be."""
        self._crowd.came(peer, self._now())
        self._keep_order()

    def served(self, peer: asyncio.Transport) -> None:
        """A request of it was accepted."""
        self._crowd.served(peer, self._now())

    def left(self, peer: asyncio.Transport) -> None:
        """It is closed."""
        self._crowd.left(peer)
        if self._shut:
            self._keep_order()

    def _keep_order(self) -> None:
        crowd, now = self._crowd, self._now()
        for peer in crowd.take_overdue(now):
            peer.abort()
        while len(crowd) > crowd.most and (one := crowd.make_room(now)) is not None:
            one.abort()
        if len(crowd) < crowd.most or now >= crowd.yields_at:
            self._accept_again()
        else:
            self._stop_accepting()
        self._look_again()

    def _look_again(self) -> None:
        """Set the timer to when there will be something to do."""
        moment = self._crowd.due_at
        if self._shut:
            moment = min(moment, max(self._crowd.yields_at, self._now() + _SHUT_FOR))
        if not math.isfinite(moment):  # nobody is there
            return
        if self._timer is not None:
            if self._timer.when() <= moment:
                return
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_at(moment, self._on_time)

    def _on_time(self) -> None:
        self._timer = None
        self._keep_order()

    def _stop_accepting(self) -> None:
        # Neither asyncio nor uvloop can pause a server. One that is closed lets go of its socket,
        # but not of a copy, which keeps those in line who have come already.
        if self._shut or not self._servers:
            return
        with contextlib.suppress(OSError):  # no file left for a copy: better too many than none
            self._shut = [_copy(one) for server in self._servers for one in server.sockets]
            self._stopped, self._servers = self._servers, []
            for server in self._stopped:
                _stop_reading(server)

    def _accept_again(self) -> None:
        if self._shut and self._opening is None and not self._closed:
            self._opening = asyncio.create_task(self._reopen(), name="asyncsim-receiver-accepts")

    async def _reopen(self) -> None:
        loop = asyncio.get_running_loop()
        self._close_stopped()
        try:
            while self._shut:
                server = await loop.create_server(self._make, sock=self._shut[-1], backlog=_AT_ONCE)
                self._shut.pop()
                self._servers.append(server)
                _hold_many(server)
        except OSError as error:
            logger.warning("cannot accept callbacks just now: %s", error)  # the timer tries again
        finally:
            self._opening = None

    async def close(self) -> None:
        """Close the port; connections stay as they are."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.gather(self._opening, return_exceptions=True)
        for server in self._servers:
            _stop_reading(server)
        await asyncio.sleep(0)  # until those are in who have been accepted: see _stop_reading
        await asyncio.sleep(0)
        self._stopped += self._servers
        self._close_stopped()
        for one in self._shut:
            one.close()
        self._shut = []

    def _close_stopped(self) -> None:
        while self._stopped:
            self._stopped.pop().close()


def _stop_reading(server: asyncio.Server) -> None:
    """Have a server accept nobody any more; it is closed later, where that is possible.

    asyncio accepts first and makes connections of them in the next turn: whoever is in between
    when the server is closed is lost, and asyncio logs an AssertionError for each.
    """
    loop = asyncio.get_running_loop()
    files = [file for one in server.sockets if (file := one.fileno()) >= 0]  # of a real network
    try:
        stopped = set(map(loop.remove_reader, files)) <= {True}
    except NotImplementedError:  # Windows
        stopped = False
    if not stopped:  # uvloop reads in its own way, and has nobody in between
        server.close()


def _copy(one: socket.socket) -> socket.socket:
    return socket.fromfd(one.fileno(), one.family, one.type)


def _hold_many(server: asyncio.Server) -> None:
    """Lengthen the kernel's line: asyncio has one number for both, and it must be small."""
    for one in server.sockets:
        if one.fileno() >= 0:  # of a real network
            with _copy(one) as same:
                same.listen(_WAITING)

"""Feed callbacks to each application, with marks for valgrind; `TIMES`: callbacks for each.

They go straight into aiohttp's protocol, without a socket: only the application and its server
are counted, and the server is the same for all.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from aiohttp import web

from benchmarks.callgrind import mark
from benchmarks.peers.callback_apps import (
    Contender,
    bare,
    ours,
    server_alone,
    signed,
    validated,
    verified,
)

NAMES = (
    "bare",
    "signed",
    "validated",
    "ours: the server alone",
    "ours: and ticket, form and signature",
    "ours",
    "ours, mounted in an application",
)
_WARM = 100


class _Wire(asyncio.Transport):
    """Counts the responses."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 1)})
        self.responses = 0

    def write(self, data: Any) -> None:
        assert bytes(data[:12]) == b"HTTP/1.1 204", bytes(data)
        self.responses += 1

    def is_closing(self) -> bool:
        return False

    def close(self) -> None:
        """Do nothing."""

    def pause_reading(self) -> None:
        """Do nothing: nothing is read."""

    def resume_reading(self) -> None:
        """Do nothing: nothing is read."""


def contenders(times: int) -> dict[str, Callable[[], Contender]]:
    """The contenders, which take turns."""
    made = times + _WARM
    own, mounted = partial(ours, made), partial(ours, made, mounted=True)
    factories = (bare, signed, validated, server_alone, verified, own, mounted)
    return dict(zip(NAMES, factories, strict=True))


def _runner(app: web.Application | web.Server) -> web.AppRunner | web.ServerRunner:
    if isinstance(app, web.Application):
        return web.AppRunner(app, access_log=None)
    return web.ServerRunner(app)


async def feed(contender: Contender, times: int, mark_it: Callable[[], None]) -> float:
    """Feed it callbacks one by one; return the CPU seconds per callback."""
    runner = _runner(contender.app)
    await runner.setup()
    assert runner.server is not None
    protocol, wire = runner.server(), _Wire()
    protocol.connection_made(wire)
    requests = [contender.request(number) for number in range(times + _WARM)]
    await _each(requests[:_WARM], protocol, wire)
    mark_it()
    began = time.process_time()
    await _each(requests[_WARM:], protocol, wire)
    took = time.process_time() - began
    mark_it()
    assert contender.taken() == wire.responses == times + _WARM
    protocol.connection_lost(None)
    await runner.cleanup()
    return took / times


async def _each(requests: Sequence[bytes], protocol: Any, wire: _Wire) -> None:
    for request in requests:
        before = wire.responses
        protocol.data_received(request)
        while wire.responses == before:  # noqa: ASYNC110  # an event would be counted, too
            await asyncio.sleep(0)


async def main() -> None:
    """Feed all contenders."""
    times = int(sys.argv[1])
    for name, make in contenders(times).items():
        print(name, await feed(make(), times, mark), flush=True)


if __name__ == "__main__":
    asyncio.run(main())

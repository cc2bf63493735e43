"""The port of `--health`: responds as long as the event loop runs."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from asyncsim.cli.exits import CommandError
from asyncsim.cli.options import split_listen
from asyncsim.events import ChunkEnded, ChunkTaken, Event

logger = logging.getLogger("asyncsim.health")

PATHS = ("/livez", "/healthz")
_SHUTDOWN = 1.0  # seconds for a probe in flight when the process ends


class TakenChunks:
    """An observer that counts the chunks being worked on."""

    def __init__(self) -> None:
        self._count = 0

    def __call__(self, event: Event) -> None:
        """Count a chunk that was claimed or has ended."""
        self._count += isinstance(event, ChunkTaken) - isinstance(event, ChunkEnded)

    def state(self) -> Mapping[str, int]:
        """The content of a response to a probe."""
        return {"chunks": self._count}


@asynccontextmanager
async def health_port(
    address: str | None, state: Callable[[], Mapping[str, int]]
) -> AsyncIterator[None]:
    """Respond to probes with 200 and `state()` as JSON; without an address do nothing.

    Probes check neither the vendor nor the database. A restart would not end an outage of theirs,
    and would cost the worker its chunks.
    """
    if address is None:
        yield
        return
    from aiohttp import web  # loads a web server
    from aiohttp.http import HttpProcessingError

    def is_ours(record: logging.LogRecord) -> bool:
        # Malformed requests are the sender's fault: aiohttp would log a traceback for each.
        error = record.exc_info[1] if record.exc_info else None
        return not isinstance(error, HttpProcessingError)

    async def respond(request: web.BaseRequest) -> web.Response:
        if request.path not in PATHS:
            return web.Response(status=404)
        if request.method not in ("GET", "HEAD"):
            return web.Response(status=405, headers={"Allow": "GET, HEAD"})
        return web.Response(text=json.dumps(state()), content_type="application/json")

    host, port = split_listen(address)
    server = web.Server(respond, access_log=None, logger=logger)
    runner = web.ServerRunner(server, shutdown_timeout=_SHUTDOWN)
    logger.addFilter(is_ours)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            reason = error.strerror or str(error)
            raise CommandError(f"--health {address}: cannot listen: {reason}") from error
        yield
    finally:
        await runner.cleanup()
        logger.removeFilter(is_ours)

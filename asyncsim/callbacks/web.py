"""The web side of a receiver: the only module of this package that knows aiohttp.

Imported when a receiver starts or is mounted, so that importing asyncsim does not load a server.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Any, cast

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from multidict import CIMultiDict

from asyncsim.callbacks.connections import ConnectionLimiter
from asyncsim.callbacks.reception import Reception
from asyncsim.errors import ReceiverError

logger = logging.getLogger("asyncsim")

_READ_WITHIN = 10.0  # seconds for a body; both vendors hang up after 15 (Twilio docs, error 11205)
# Seconds for which a connection may be idle. Longer than proxies keep theirs (nginx and AWS: 60):
# else one would send a callback on a connection that is just being closed, and lose it.
_KEEPALIVE = 120.0
_LINGER = 2.0  # seconds of reading away the rest of a body that was refused
_SHUTDOWN = 2.0  # seconds for deliveries in flight when the listener stops
# A callback has a dozen headers, and proxies add a few. Bytes of each.
_HEADERS, _HEADER = 64, 4096

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
# Else aiohttp tells its version and Python's.
_SILENT = CIMultiDict({"Server": ""})

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


def application(reception: Reception, max_body: int) -> web.Application:
    """Build an application that hands every request under it to `reception`."""
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", handling(reception, max_body))
    return app


def handling(
    reception: Reception, max_body: int, limiter: ConnectionLimiter | None = None
) -> Handler:
    """Build what hands a request to `reception`; aiohttp's headers are found in any case.

    `limiter` is told which connections had a callback accepted; an application that this is mounted
    in has none.
    """

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        # Never request.path or .url: those were decoded or rebuilt, and signatures cover the
        # text that was sent.
        method, target = request.method, request.raw_path
        try:
            # Mostly it has come with the head, and a timer would cost as much as the check of it.
            if request.content.is_eof():
                body = request.content.read_nowait()
            else:
                refused = reception.admit(method, target, request.content_length)
                if refused is not None:
                    return await _respond(request, refused)
                async with asyncio.timeout(_READ_WITHIN):
                    await _call_for(request, limiter)
                    body = await _read(request, max_body)
        except TimeoutError:
            return await _respond(request, 408)
        except (web.RequestPayloadError, ConnectionError):  # broken framing; hung up
            return await _respond(request, 400)
        status = reception.receive_lowered(method, target, request.headers, body)
        if status != 204 or not request.content.at_eof():
            return await _respond(request, status)
        if limiter is not None and request.transport is not None:
            limiter.request_accepted(request.transport)
        return web.Response(status=status, headers=_SILENT.copy())

    return handle


async def _call_for(request: web.BaseRequest, limiter: ConnectionLimiter | None) -> None:
    """Say that the body may come, to a sender that waits for it; applications do so themselves."""
    waits = request.headers.get("Expect", "").lower() == "100-continue"
    if limiter is not None and waits and request.version >= (1, 1):
        await request.writer.write(_CONTINUE)
        request.writer.output_size = 0  # the response itself has not begun


async def _read(request: web.BaseRequest, most: int) -> bytes:
    """Read a body, but stop soon after `most` bytes; being too long is for `receive` to refuse."""
    # Not request.read(): its limit is a setting of the application this one is mounted in.
    body = bytearray()
    while len(body) <= most and (chunk := await request.content.readany()):
        body += chunk
    return bytes(body)


async def _respond(request: web.BaseRequest, status: int) -> web.StreamResponse:
    """Respond to what was not accepted, and close the connection."""
    response = web.Response(status=status, headers=_SILENT.copy())
    response.force_close()
    if status == 405:
        response.headers["Allow"] = "GET, POST"
    if not request.content.at_eof():
        await _send_and_read_away(request, response)
    return response


async def _send_and_read_away(request: web.BaseRequest, response: web.Response) -> None:
    """Answer, then read the rest of the body for a moment: closing at once could lose the answer.

    aiohttp would do this by itself, but in a task that outlives the listener.
    """
    with contextlib.suppress(TimeoutError, ConnectionError, web.RequestPayloadError):
        await response.prepare(request)
        await response.write_eof()
        async with asyncio.timeout(_LINGER):
            while await request.content.readany():
                pass


class Server(web.Server):
    """aiohttp's server with connections of our own: counted by a limiter, silent about garbage."""

    def __init__(self, reception: Reception, max_body: int, limiter: ConnectionLimiter) -> None:
        super().__init__(handling(reception, max_body, limiter))
        self.reception = reception
        self.limiter = limiter

    def __call__(self) -> web.RequestHandler:
        """Make what speaks HTTP on one connection."""
        return _Connection(
            self,
            loop=asyncio.get_running_loop(),
            access_log=None,  # its lines would show whole tickets
            keepalive_timeout=_KEEPALIVE,
            lingering_time=0,  # see _send_and_read_away
            auto_decompress=False,  # signatures cover the bytes as sent, and bombs stay small
            max_headers=_HEADERS,
            max_field_size=_HEADER,
        )


class _Connection(web.RequestHandler):
    __slots__ = ("_limiter", "_reception", "_wire")

    def __init__(self, server: Server, **settings: Any) -> None:
        super().__init__(server, **settings)
        self._reception, self._limiter = server.reception, server.limiter
        self._wire: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._wire = cast("asyncio.Transport", transport)  # uvloop's is none by inheritance
        self._limiter.connection_opened(self._wire)

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        if self._wire is not None:
            self._limiter.connection_closed(self._wire)

    def data_received(self, data: bytes) -> None:
        try:
            super().data_received(data)
        except Exception as error:  # noqa: BLE001  # aiohttp 3.12 fails on some URLs
            self._note(error, malformed=True)
            self.force_close()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Respond without a word about why; aiohttp would log a traceback for each."""
        if request.writer.output_size > 0:
            raise ConnectionError("a response has begun already")
        self._note(exc, malformed=status == 400)
        response = web.Response(status=status, headers=_SILENT.copy())
        response.force_close()
        return response

    def log_exception(self, *args: Any, **settings: Any) -> None:
        """Log a fault of ours; what aiohttp has to say might show a ticket."""
        error = settings.get("exc_info")
        self._note(error if isinstance(error, BaseException) else None)

    def _note(self, error: BaseException | None, *, malformed: bool = False) -> None:
        # HTTP that cannot be read is the sender's fault; aiohttp 3.12 takes some of it for its own.
        if malformed or isinstance(error, HttpProcessingError):
            self._reception.malformed()
        else:
            logger.error("a fault in the receiver", exc_info=error)


class Listener:
    """An open port with a reception behind it: all paths go to that, so there is no router."""

    def __init__(self, runner: web.ServerRunner, limiter: ConnectionLimiter, port: int) -> None:
        self._runner = runner
        self._limiter = limiter
        self.port = port

    @classmethod
    async def open(
        cls, reception: Reception, max_body: int, most: int, host: str, port: int
    ) -> Listener:
        """Listen; port 0 takes a free one. ReceiverError when the port cannot be had."""
        limiter = ConnectionLimiter(most)
        server = Server(reception, max_body, limiter)
        runner = web.ServerRunner(server, shutdown_timeout=_SHUTDOWN)
        await runner.setup()
        try:
            return cls(runner, limiter, await limiter.listen(server, host, port))
        except OSError as error:
            raise ReceiverError(_cannot_listen(host, port, error)) from error

    async def close(self) -> None:
        """Close the port; deliveries in flight get a moment to end."""
        await self._limiter.close()
        await self._runner.cleanup()


def _cannot_listen(host: str, port: int, error: OSError) -> str:
    return (
        f"cannot listen for callbacks on {host}:{port} ({error.strerror or error});"
        " stop what listens there, give another port=, port=0 for any free one,"
        " or mount app() in a server that runs already"
    )

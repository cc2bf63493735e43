"""The aiohttp server of a receiver: its own port, and the application to mount.

The only module of this package that imports aiohttp.web, and itself imported only when a receiver
starts or is mounted, so that importing asyncsim does not load a server.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol, cast

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from multidict import CIMultiDict

from asyncsim.callbacks.connections import ConnectionLimiter
from asyncsim.callbacks.handler import BODY_TIMEOUT
from asyncsim.errors import ReceiverError

logger = logging.getLogger("asyncsim")

# Seconds for which a connection may be idle. Longer than reverse proxies keep theirs (nginx and
# AWS: 60): otherwise one would send a callback on a connection that is just being closed.
_KEEPALIVE = 120.0
_LINGER = 2.0  # seconds of reading the rest of a body that was rejected
_SHUTDOWN = 2.0  # seconds for requests in flight when the listener stops
# A callback has a dozen headers, and proxies add a few.
_MAX_HEADERS, _MAX_HEADER_BYTES = 64, 4096

# aiohttp would reveal its version and Python's.
_NO_SERVER_NAME = CIMultiDict({"Server": ""})


class CallbackSink(Protocol):
    """Whatever is given the requests: `CallbackHandler`, or an inspector."""

    max_body: int

    def check_head(self, method: str, raw_target: str, length: int | None) -> int | None:
        """Return the status to reject a request with before its body is read; None: read it."""
        ...

    def receive(
        self, method: str, raw_target: str, headers: Mapping[str, str], body: bytes
    ) -> int | Awaitable[int]:
        """Handle a request and return its HTTP status."""
        ...

    def reject_malformed(self) -> None:
        """Count a request that could not be parsed as HTTP."""
        ...


def application(callbacks: CallbackSink) -> web.Application:
    """Build an application that gives every request under it to `callbacks`."""
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", request_handler(callbacks))
    return app


def request_handler(
    callbacks: CallbackSink, limiter: ConnectionLimiter | None = None
) -> Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]:
    """Build the aiohttp handler; aiohttp finds headers in any case.

    `limiter` records which connections brought a callback. A mounted application has none.
    """

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        # Never request.path or .url: those were decoded or rebuilt, and signatures cover the
        # text that was sent.
        method, target = request.method, request.raw_path
        try:
            # Usually the body has arrived with the head, and a timer would cost as much as
            # verifying.
            if request.content.is_eof():
                body = request.content.read_nowait()
            else:
                rejected = callbacks.check_head(method, target, request.content_length)
                if rejected is not None:
                    return await _respond(request, rejected)
                async with asyncio.timeout(BODY_TIMEOUT):
                    expects = request.headers.get("Expect", "").lower() == "100-continue"
                    # aiohttp's router does this itself, and only a mounted application has one.
                    if limiter is not None and expects and request.version >= (1, 1):
                        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                        request.writer.output_size = 0  # the response itself has not begun
                    body = await _read(request, callbacks.max_body)
        except TimeoutError:
            return await _respond(request, 408)
        except (web.RequestPayloadError, ConnectionError):  # broken framing; hung up
            return await _respond(request, 400)
        received = callbacks.receive(method, target, request.headers, body)
        status = received if isinstance(received, int) else await received
        if status != 204 or not request.content.at_eof():
            return await _respond(request, status)
        if limiter is not None and request.transport is not None:
            limiter.request_accepted(request.transport)
        return web.Response(status=status, headers=_NO_SERVER_NAME.copy())

    return handle


async def _read(request: web.BaseRequest, limit: int) -> bytes:
    """Read a body, but stop soon after `limit` bytes: verification rejects what is longer."""
    # Not request.read(): its limit is a setting of the application this one is mounted in.
    body = bytearray()
    while len(body) <= limit and (chunk := await request.content.readany()):
        body += chunk
    return bytes(body)


async def _respond(request: web.BaseRequest, status: int) -> web.StreamResponse:
    """Respond to a request that was not accepted, and close its connection."""
    response = web.Response(status=status, headers=_NO_SERVER_NAME.copy())
    response.force_close()
    if status == 405:
        response.headers["Allow"] = "GET, POST"
    if request.content.at_eof():
        return response
    # Closing while the sender is still sending could lose the response (RFC 9112, 9.6), so the rest
    # of the body is read for a moment. aiohttp would do so in a task that outlives the listener.
    with contextlib.suppress(TimeoutError, ConnectionError, web.RequestPayloadError):
        await response.prepare(request)
        await response.write_eof()
        async with asyncio.timeout(_LINGER):
            while await request.content.readany():
                pass
    return response


class CallbackServer(web.Server):
    """aiohttp's server with its connections limited, and no log lines about garbage."""

    def __init__(self, callbacks: CallbackSink, limiter: ConnectionLimiter) -> None:
        super().__init__(request_handler(callbacks, limiter))
        self.callbacks = callbacks
        self.limiter = limiter

    def __call__(self) -> web.RequestHandler:
        """Create the protocol of one connection."""
        return _Connection(
            self,
            loop=asyncio.get_running_loop(),
            access_log=None,  # its lines would show whole tickets
            keepalive_timeout=_KEEPALIVE,
            lingering_time=0,  # see _respond
            auto_decompress=False,  # signatures cover the bytes as sent, and zip bombs stay small
            max_headers=_MAX_HEADERS,
            max_field_size=_MAX_HEADER_BYTES,
        )


class _Connection(web.RequestHandler):
    __slots__ = ("_callbacks", "_limiter", "_socket")

    def __init__(self, server: CallbackServer, **settings: Any) -> None:
        super().__init__(server, **settings)
        self._callbacks, self._limiter = server.callbacks, server.limiter
        self._socket: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._socket = cast("asyncio.Transport", transport)  # uvloop's does not inherit from it
        self._limiter.connection_opened(self._socket)

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        if self._socket is not None:
            self._limiter.connection_closed(self._socket)

    def data_received(self, data: bytes) -> None:
        try:
            super().data_received(data)
        except Exception as error:  # noqa: BLE001  # aiohttp 3.12 fails on some URLs
            self._report(error, malformed=True)
            self.force_close()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Respond without details; aiohttp would log a traceback for each."""
        if request.writer.output_size > 0:
            raise ConnectionError("a response has begun already")
        self._report(exc, malformed=status == 400)
        response = web.Response(status=status, headers=_NO_SERVER_NAME.copy())
        response.force_close()
        return response

    def log_exception(self, *args: Any, **settings: Any) -> None:
        """Log an internal error; aiohttp's own message might show a ticket."""
        error = settings.get("exc_info")
        self._report(error if isinstance(error, BaseException) else None)

    def _report(self, error: BaseException | None, *, malformed: bool = False) -> None:
        # Malformed HTTP is the sender's fault; aiohttp 3.12 reports some of it as its own.
        if malformed or isinstance(error, HttpProcessingError):
            self._callbacks.reject_malformed()
        else:
            logger.error("internal error in the callback receiver", exc_info=error)


class Listener:
    """An open port of a receiver. It needs no router: all paths go to the same handler."""

    def __init__(self, runner: web.ServerRunner, limiter: ConnectionLimiter, port: int) -> None:
        self._runner = runner
        self._limiter = limiter
        self.port = port

    @classmethod
    async def open(
        cls, callbacks: CallbackSink, host: str, port: int, max_connections: int
    ) -> Listener:
        """Listen; port 0 takes a free one. ReceiverError when the port cannot be opened."""
        limiter = ConnectionLimiter(max_connections)
        server = CallbackServer(callbacks, limiter)
        runner = web.ServerRunner(server, shutdown_timeout=_SHUTDOWN)
        await runner.setup()
        try:
            return cls(runner, limiter, await limiter.listen(server, host, port))
        except OSError as error:
            raise ReceiverError(
                f"cannot listen for callbacks on {host}:{port} ({error.strerror or error}); stop"
                " that program, pass another port=, port=0 for any free one, or mount app()"
                " in a running web server"
            ) from error

    async def close(self) -> None:
        """Close the port; requests in flight get a moment to finish."""
        await self._limiter.close()
        await self._runner.cleanup()

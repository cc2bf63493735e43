"""The web side of a receiver: the only module of this package that knows aiohttp.

Imported when a receiver starts or is mounted, so that importing asyncsim does not load a server.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

from asyncsim.errors import ReceiverError

_READ_WITHIN = 10.0  # seconds for a body; both vendors hang up after 15 (Twilio docs, error 11205)
_KEEPALIVE = 30.0  # seconds a connection may stay silent, also before and within its first request
_LINGER = 2.0  # seconds of reading away the rest of a body that was refused
_SHUTDOWN = 2.0  # seconds for deliveries in flight when the listener stops

Receive = Callable[[str, str, Mapping[str, str], bytes], int]
"""Method, raw target, headers, body; the answer is the HTTP status."""


Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


def application(receive: Receive, max_body: int) -> web.Application:
    """Build an application that hands every request under it to `receive`."""
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", handling(receive, max_body))
    return app


def handling(receive: Receive, max_body: int) -> Handler:
    """Build what hands a request to `receive`; aiohttp's headers are found in any case."""

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        try:
            # Mostly it has come with the head, and a timer would cost as much as the check of it.
            if request.content.is_eof():
                body = request.content.read_nowait()
            else:
                async with asyncio.timeout(_READ_WITHIN):
                    body = await _read(request, max_body)
        except TimeoutError:
            return await _answer(request, 408)
        except (web.RequestPayloadError, ConnectionError):  # broken framing; hung up
            return await _answer(request, 400)
        # Never request.path or .url: those were decoded or rebuilt, and signatures cover the
        # text that was sent.
        status = receive(request.method, request.raw_path, request.headers, body)
        if request.content.at_eof() and status != 405:
            return web.Response(status=status)
        return await _answer(request, status)

    return handle


async def _read(request: web.BaseRequest, most: int) -> bytes:
    """Read a body, but stop soon after `most` bytes; being too long is for `receive` to refuse."""
    # Not request.read(): its limit is a setting of the application this one is mounted in.
    body = bytearray()
    while len(body) <= most and (chunk := await request.content.readany()):
        body += chunk
    return bytes(body)


async def _answer(request: web.BaseRequest, status: int) -> web.StreamResponse:
    response = web.Response(status=status)
    if status == 405:
        response.headers["Allow"] = "GET, POST"
    if not request.content.at_eof():
        response.force_close()
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


def serving(handler: Handler) -> web.Server:
    """Build the server that a handler has on a port of its own."""
    return web.Server(
        handler,
        access_log=None,  # its lines would show whole tickets
        keepalive_timeout=_KEEPALIVE,
        lingering_time=0,  # see _send_and_read_away
        auto_decompress=False,  # signatures cover the bytes as sent, and bombs stay small
    )


class Listener:
    """An open port with a handler behind it: all paths go to that, so there is no router."""

    def __init__(self, runner: web.ServerRunner, port: int) -> None:
        self._runner = runner
        self.port = port

    @classmethod
    async def open(cls, handler: Handler, host: str, port: int) -> Listener:
        """Listen; port 0 takes a free one. ReceiverError when the port cannot be had."""
        runner = web.ServerRunner(serving(handler), shutdown_timeout=_SHUTDOWN)
        try:
            await runner.setup()
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            await runner.cleanup()
            raise ReceiverError(_cannot_listen(host, port, error)) from error
        except BaseException:
            await runner.cleanup()
            raise
        return cls(runner, runner.addresses[0][1])

    async def close(self) -> None:
        """Close the port; deliveries in flight get a moment to end."""
        await self._runner.cleanup()


def _cannot_listen(host: str, port: int, error: OSError) -> str:
    return (
        f"cannot listen for callbacks on {host}:{port} ({error.strerror or error});"
        " stop what listens there, give another port=, port=0 for any free one,"
        " or mount app() in a server that runs already"
    )

"""The ASGI application of a receiver, to mount in FastAPI, Starlette or any other.

Source: the ASGI specification, HTTP & WebSocket, version 2.4.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import quote

from attrs import frozen

from asyncsim.callbacks.handler import BODY_TIMEOUT, CallbackHandler

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
ASGIReceive = Callable[[], Awaitable[Message]]
ASGISend = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, ASGIReceive, ASGISend], Awaitable[None]]


@frozen
class CallbackApplication:
    """Gives every HTTP request to a handler; takes part in lifespan without doing anything."""

    _callbacks: CallbackHandler

    async def __call__(self, scope: Scope, receive: ASGIReceive, send: ASGISend) -> None:
        """Serve one connection."""
        if scope["type"] == "lifespan":
            while True:
                message = await receive()
                await send({"type": f"{message['type']}.complete"})
                if message["type"] == "lifespan.shutdown":
                    return
        elif scope["type"] == "http":
            await _respond(send, await self._handle(scope, receive), scope)
        else:
            await send({"type": "websocket.close", "code": 1000})

    async def _handle(self, scope: Scope, receive: ASGIReceive) -> int:
        """Return the HTTP status of one request."""
        method, target = scope["method"], _target(scope)
        headers = {
            name.decode("latin-1").lower(): text.decode("latin-1")
            for name, text in reversed(scope["headers"])  # the first of several counts
        }
        text = headers.get("content-length", "")
        length = int(text) if text.isascii() and text.isdigit() and len(text) < 20 else None
        # Before the body is read: a sender without a ticket must not make us wait for a body.
        rejected = self._callbacks.check_head(method, target, length)
        if rejected is not None:
            return rejected
        body = bytearray()
        try:
            async with asyncio.timeout(BODY_TIMEOUT):
                # It stops soon after max_body bytes: verification rejects what is longer.
                while len(body) <= self._callbacks.max_body:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return 400  # the sender has hung up
                    body += message.get("body", b"")
                    if not message.get("more_body", False):
                        break
        except TimeoutError:
            return 408
        received = self._callbacks.receive(method, target, headers, bytes(body))
        return received if isinstance(received, int) else await received


def _target(scope: Scope) -> str:
    """Path and query as they were sent; `path` is decoded, and signatures cover the raw text."""
    raw: bytes | None = scope.get("raw_path")
    # Some servers leave the query on raw_path. Others have only the decoded path: a ticket is the
    # same in it, and what is quoted is the prefix.
    target = (
        raw.partition(b"?")[0].decode("latin-1")
        if raw
        else quote(scope["path"], errors="surrogatepass")
    )
    query: bytes = scope.get("query_string", b"")
    return f"{target}?{query.decode('latin-1')}" if query else target


async def _respond(send: ASGISend, status: int, scope: Scope) -> None:
    headers = [] if status == 204 else [(b"content-length", b"0")]
    if status == 405:
        headers.append((b"allow", b"GET, POST"))
    # A rejected request closes its connection, which ends an endless body, too. HTTP/2 forbids
    # this header (RFC 9113, 8.2.2).
    if status != 204 and scope.get("http_version", "1.1").startswith("1"):
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b""})

"""A receiver as an ASGI application, to be mounted in FastAPI, Starlette or any other.

Source: the ASGI specification, HTTP & WebSocket, version 2.4.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any
from urllib.parse import quote

from attrs import frozen

from asyncsim.callbacks.reception import Reception

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
ASGIReceive = Callable[[], Awaitable[Message]]
ASGISend = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, ASGIReceive, ASGISend], Awaitable[None]]

_READ_WITHIN = 10.0  # seconds for a body, as in `server`


@frozen
class Application:
    """Hands every HTTP request to a reception; takes part in lifespan without doing anything."""

    _reception: Reception
    _max_body: int

    async def __call__(self, scope: Scope, receive: ASGIReceive, send: ASGISend) -> None:
        """Serve one connection."""
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
        elif scope["type"] == "http":
            await _respond(send, await self._status(scope, receive), scope)
        else:
            await send({"type": "websocket.close", "code": 1000})

    async def _status(self, scope: Scope, receive: ASGIReceive) -> int:
        method, target = scope["method"], _target(scope)
        headers = {
            name.decode("latin-1").lower(): text.decode("latin-1")
            for name, text in reversed(scope["headers"])  # the first of several counts
        }
        # Before its body is read: who has no ticket cannot make anybody wait for one.
        refused = self._reception.admit(method, target, _length(headers))
        if refused is not None:
            return refused
        try:
            async with asyncio.timeout(_READ_WITHIN):
                body = await _read(receive, self._max_body)
        except TimeoutError:
            return 408
        if body is None:
            return 400  # nobody is left to read it
        return self._reception.receive_lowered(method, target, headers, body)


def _length(headers: Mapping[str, str]) -> int | None:
    text = headers.get("content-length", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else None


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


async def _read(receive: ASGIReceive, most: int) -> bytes | None:
    """Read a body, but stop soon after `most` bytes; None when the sender hung up."""
    body = bytearray()
    while len(body) <= most:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if not message.get("more_body", False):
            break
    return bytes(body)


async def _respond(send: ASGISend, status: int, scope: Scope) -> None:
    headers = [] if status == 204 else [(b"content-length", b"0")]
    if status == 405:
        headers.append((b"allow", b"GET, POST"))
    # Whatever was not accepted ends its connection, and with it a body that never ends. HTTP/2 has
    # no such header.
    if status != 204 and scope.get("http_version", "1.1").startswith("1"):
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


async def _lifespan(receive: ASGIReceive, send: ASGISend) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return

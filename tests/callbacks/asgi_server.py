"""An ASGI application behind uvicorn, on a free port of loopback."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn


def free_socket() -> socket.socket:
    """Reserve a free port; connections made before the server is up queue in its backlog."""
    opened = socket.socket()
    opened.bind(("127.0.0.1", 0))
    opened.listen(16)
    return opened


@asynccontextmanager
async def served(app: Any, where: socket.socket, **settings: Any) -> AsyncIterator[None]:
    """Serve until the block ends."""
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, **settings))
    task = asyncio.create_task(server.serve(sockets=[where]))
    try:
        yield
    finally:
        server.should_exit = True
        await task

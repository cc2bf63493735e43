"""A marimo server with one notebook, and what its page would show."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import sys
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import aiohttp
from attrs import define, field

_PATIENCE = 60.0  # seconds for the next message


@define
class Cell:
    """One cell: its output, and how its last execution ended."""

    output: str = ""
    replaced: int = 0
    """How often its output was replaced."""
    errors: list[str] = field(factory=list)
    console: str = ""


class MarimoNotebook:
    """A session of a notebook that is edited in a browser."""

    def __init__(
        self, http: aiohttp.ClientSession, socket: aiohttp.ClientWebSocketResponse
    ) -> None:
        self._http = http
        self._socket = socket

    async def run(
        self, name: str, code: str, *, interrupt_when: Callable[[Cell], bool] = lambda cell: False
    ) -> Cell:
        """Run a cell; interrupt it, once, when it satisfies the condition."""
        cell, interrupted = Cell(), False
        await self.post("run", {"cellIds": [name], "codes": [code]})
        while (message := await self.receive())["op"] != "completed-run":
            if message["op"] == "cell-op" and message["data"]["cell_id"] == name:
                _take(cell, message["data"])
                if not interrupted and interrupt_when(cell):
                    interrupted = True
                    await self.post("interrupt", {})
        return cell

    async def instantiate(self) -> None:
        """Begin the session; its only cell is empty."""
        await self.post("instantiate", {"objectIds": [], "values": [], "autoRun": True})
        while (await self.receive())["op"] != "completed-run":
            pass

    async def receive(self) -> dict[str, Any]:
        """Return the next message."""
        message: dict[str, Any] = json.loads(await self._socket.receive_str(timeout=_PATIENCE))
        return message

    async def post(self, what: str, body: dict[str, Any]) -> None:
        """Send a command to the kernel."""
        async with self._http.post(f"/api/kernel/{what}", json=body) as response:
            assert response.status == 200, await response.text()


def _take(cell: Cell, data: dict[str, Any]) -> None:
    output = data.get("output")
    if output and output["channel"] == "marimo-error":
        cell.errors += [str(one) for one in output["data"]]
    elif output:
        cell.output = str(output["data"])
        cell.replaced += 1
    console = data.get("console") or []
    for one in console if isinstance(console, list) else [console]:
        cell.console += str(one["data"])


@contextlib.asynccontextmanager
async def open_notebook(folder: Path) -> AsyncGenerator[MarimoNotebook, None]:
    """Start a server with an empty notebook in a folder; stop it at the end."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (folder / "notebook.py").write_text("import marimo\n\napp = marimo.App()\n", encoding="utf-8")
    options = ("--headless", "--no-token", "--no-skew-protection", "--skip-update-check")
    server = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "marimo", "edit", "notebook.py", "--port", str(port), *options),
        cwd=folder,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    headers = {"Marimo-Session-Id": "s_check"}
    url = f"http://127.0.0.1:{port}"
    try:
        async with aiohttp.ClientSession(url, headers=headers) as http:
            await _until_it_listens(http)
            async with http.ws_connect("/ws", params={"session_id": "s_check"}) as connected:
                notebook = MarimoNotebook(http, connected)
                await notebook.instantiate()
                yield notebook
    finally:
        server.terminate()
        await server.wait()


async def _until_it_listens(http: aiohttp.ClientSession) -> None:
    for _ in range(600):
        with contextlib.suppress(aiohttp.ClientConnectionError):
            async with http.get("/health") as response:
                if response.status == 200:
                    return
        await asyncio.sleep(0.1)
    raise TimeoutError("the marimo server does not respond")

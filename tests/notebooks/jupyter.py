"""A Jupyter kernel, and what its front end would show and save."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

from attrs import define, field
from jupyter_client.manager import AsyncKernelManager

Bundle = dict[str, Any]
"""MIME type -> data."""
_PATIENCE = 60.0  # seconds for the next message


@define
class Shown:
    """The outputs of one execution: displays are replaced in place, as by a front end."""

    outputs: list[Bundle] = field(factory=list)
    updates: int = 0
    """How often a display was replaced."""
    printed: str = ""
    error: str | None = None
    """Class of the exception."""
    _displays: dict[str, Bundle] = field(factory=dict)

    def take(self, kind: str, content: dict[str, Any]) -> None:
        """Process a message."""
        if kind == "stream":
            self.printed += content["text"]
        elif kind == "error":
            self.error = content["ename"]
        elif kind == "update_display_data":
            self._displays[content["transient"]["display_id"]].update(content["data"])
            self.updates += 1
        elif kind in ("display_data", "execute_result"):
            bundle = dict(content["data"])
            self.outputs.append(bundle)
            if name := content.get("transient", {}).get("display_id"):
                self._displays[name] = bundle

    @property
    def text(self) -> str:
        """All outputs as text."""
        return "\n".join(str(one.get("text/plain", "")) for one in self.outputs)


class Kernel:
    """Runs cells, and interrupts them."""

    def __init__(self, manager: Any, client: Any) -> None:
        self._manager = manager
        self._client = client

    async def run(
        self,
        code: str,
        *,
        interrupt_when: Callable[[Shown], bool] = lambda shown: False,
        times: int = 1,
    ) -> Shown:
        """Run a cell; interrupt it once its outputs satisfy the condition."""
        request, shown, left = self._client.execute(code), Shown(), times
        while True:
            message = await self._client.get_iopub_msg(timeout=_PATIENCE)
            if message["parent_header"].get("msg_id") != request:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "status" and content["execution_state"] == "idle":
                return shown
            shown.take(kind, content)
            while left and interrupt_when(shown):
                left -= 1
                await self._manager.interrupt_kernel()

    async def expect(self, code: str) -> Shown:
        """Run a cell that must neither fail nor warn."""
        shown = await self.run(code)
        assert shown.error is None, shown
        assert shown.printed == "", shown.printed
        return shown


@contextlib.asynccontextmanager
async def open_kernel(folder: Path) -> AsyncGenerator[Kernel, None]:
    """Start a kernel in a folder; shut it down at the end."""
    manager = AsyncKernelManager()
    await manager.start_kernel(cwd=str(folder))
    client = manager.client()
    client.start_channels()
    try:
        await client.wait_for_ready(timeout=_PATIENCE)
        yield Kernel(manager, client)
    finally:
        client.stop_channels()
        await manager.shutdown_kernel(now=True)

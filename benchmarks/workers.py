"""Worker processes, one for each measurement, and the event loops to measure on."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

SPEED = "with `speed`"
"""What stands behind the name of a contender whose loop is that of the extra."""


def run(module: str, *arguments: str, timeout: float = 600.0, authority: Path | None = None) -> Any:
    """Run a module of the benchmarks in a process of its own; it prints JSON.

    `authority`: the certificate that the process is to trust besides, and alone.
    """
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=timeout,
        env=trusting(authority),
    )
    return json.loads(done.stdout)


def trusting(authority: Path | None) -> dict[str, str]:
    """Make the environment of a process whose TLS trusts this certificate."""
    # Read by OpenSSL itself, so it holds for all clients, none of which is told anything.
    return {**os.environ, **({"SSL_CERT_FILE": str(authority)} if authority else {})}


def loop_factory(*, speed: bool = True) -> Callable[[], asyncio.AbstractEventLoop]:
    """Make asyncio's own loops; or, with `speed`, uvloop's with aiofastnet's transports.

    aiohttp uses aiofastnet by itself from 3.15 on; before, the loop has to.
    """
    if not speed:
        return asyncio.new_event_loop
    import aiofastnet

    try:
        import uvloop
    except ImportError:  # there is none for Windows
        return aiofastnet.loop_factory(asyncio.new_event_loop)
    return aiofastnet.loop_factory(uvloop.new_event_loop)

"""Worker processes, one per measurement, and the event loops to measure on."""

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
"""Suffix of a contender's name that runs on the loop of the extra."""


def run(module: str, *arguments: str, timeout: float = 600.0, authority: Path | None = None) -> Any:
    """Run a benchmark module in its own process and parse the JSON that it prints.

    `authority`: the only certificate that the process trusts.
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
    """The environment of a process whose TLS trusts this certificate."""
    # OpenSSL reads it, so it applies to all clients without a setting.
    return {**os.environ, **({"SSL_CERT_FILE": str(authority)} if authority else {})}


def loop_factory(*, speed: bool = True) -> Callable[[], asyncio.AbstractEventLoop]:
    """A factory of asyncio's loops or, with `speed`, uvloop's with aiofastnet's transports.

    From 3.15 on aiohttp uses aiofastnet by itself; before, the loop has to.
    """
    if not speed:
        return asyncio.new_event_loop
    import aiofastnet

    try:
        import uvloop
    except ImportError:  # uvloop does not support Windows
        return aiofastnet.loop_factory(asyncio.new_event_loop)
    return aiofastnet.loop_factory(uvloop.new_event_loop)

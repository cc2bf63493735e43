"""The vendor's process, from the benchmark's side; its meter; time that runs faster."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import aiohttp

from asyncsim.clock import SystemClock, Timer


@contextmanager
def serving(
    *, ours: int, others: int = 0, seed: int = 1, phases: Any = ((0.0, 100),), **pace: float
) -> Iterator[str]:
    """Run the vendor; yields its URL."""
    options = json.dumps({"ours": ours, "others": others, "seed": seed, "phases": phases, **pace})
    command = [sys.executable, "-m", "benchmarks.live", options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.terminate()


async def told(url: str) -> dict[str, Any]:
    """Ask what the vendor has counted, and when each SIM settled."""
    async with aiohttp.ClientSession() as session, session.get(f"{url}/meter") as answer:
        found: dict[str, Any] = json.loads(await answer.read())
        return found


class Faster(SystemClock):
    """The loop's time, of which each real second is so many."""

    def __init__(self, times: float) -> None:
        self._times = times

    def now(self) -> float:
        """Seconds of model time."""
        return super().now() * self._times

    def call_at(self, when: float, callback: Callable[[], object]) -> Timer:
        """Schedule at a moment of model time."""
        return super().call_at(when / self._times, callback)

    async def sleep(self, seconds: float) -> None:
        """Let model time pass."""
        await asyncio.sleep(seconds / self._times)

"""With and without the `speed` extra, in one environment: each variant is a process of its own."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from typing import Any

VARIANTS = ("without the extra", "with the extra `speed`")


def begin(variant: str) -> bool:
    """Hide the extra from asyncsim, before it is imported, where it is to do without.

    The peers keep theirs. Tells whether the extra is there.
    """
    extra = variant == VARIANTS[1]
    if not extra:
        importlib.import_module("benchmarks.peers.bare")  # what it has imported, it keeps
        for name in ("orjson", "msgspec", "uvloop"):
            sys.modules[name] = None  # type: ignore[assignment]  # absent, as import sees it
    return extra


def run(module: str, *arguments: str, timeout: float = 600.0) -> Any:
    """Run a module of the benchmarks in a process of its own; it prints JSON."""
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=timeout)
    return json.loads(done.stdout)

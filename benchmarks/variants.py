"""With and without the `speed` extra, in one environment: each variant is a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

VARIANTS = ("without the extra", "with the extra `speed`")


def begin(variant: str) -> bool:
    """Tell whether the variant has the extra."""
    return variant == VARIANTS[1]


def run(module: str, *arguments: str, timeout: float = 600.0) -> Any:
    """Run a module of the benchmarks in a process of its own; it prints JSON."""
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=timeout)
    return json.loads(done.stdout)

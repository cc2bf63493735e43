"""Instruction counts (callgrind): repeatable to a fraction of a percent, even on a busy machine."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.workers import trusting

# An interpreter function that only `sys.getallocatedblocks` calls. At each call
# valgrind dumps the count since the last one, so one process can count many things.
_MARK = "_Py_Get*AllocatedBlocks"
_TOTAL = re.compile(r"^(?:summary|totals): (\d+)", re.MULTILINE)


def mark() -> None:
    """Dump the count and start the next one."""
    sys.getallocatedblocks()


def available() -> bool:
    """Whether valgrind is installed."""
    return shutil.which("valgrind") is not None


def count(module: str, *arguments: str, authority: Path | None = None) -> list[int]:
    """Run a module under valgrind; return the instructions before each of its marks.

    `authority`: a certificate for the process to trust.
    """
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "counts"
        valgrind = ["valgrind", "--quiet", "--tool=callgrind", f"--dump-before={_MARK}"]
        command = [sys.executable, "-m", module, *arguments]
        subprocess.run(
            [*valgrind, f"--callgrind-out-file={out}", *command],
            stdout=subprocess.DEVNULL,
            check=True,
            timeout=600,
            env=trusting(authority),
        )
        dumps = sorted(Path(folder).glob("counts.*"), key=lambda one: int(one.suffix[1:]))
        return [_total(one.read_text()) for one in dumps]


def _total(dump: str) -> int:
    found = _TOTAL.search(dump)
    if found is None:
        raise ValueError("valgrind's file has no total")
    return int(found[1])

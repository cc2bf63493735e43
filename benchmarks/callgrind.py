"""Instruction counts (callgrind): repeatable to a fraction of a percent, even on a busy machine."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.workers import trusting

# A function of the interpreter that nothing but `sys.getallocatedblocks` calls: at each call
# valgrind writes down what was counted since the last, so one process counts many things.
_MARK = "_Py_Get*AllocatedBlocks"
_TOTAL = re.compile(r"^(?:summary|totals): (\d+)", re.MULTILINE)


def mark() -> None:
    """End what is being counted, and begin anew."""
    sys.getallocatedblocks()


def available() -> bool:
    """Whether valgrind is installed."""
    return shutil.which("valgrind") is not None


def count(module: str, *arguments: str, authority: Path | None = None) -> list[int]:
    """Run a module under valgrind; the instructions before each of its marks.

    `authority`: the certificate that it is to trust.
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

"""A process that stops a test server and deletes its folder once the test run has ended.

It uses only the standard library, and so starts quickly: `python -I watchdog.py PID FOLDER`.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import time
from pathlib import Path


def main(watched: int, folder: Path) -> None:
    """Wait until the folder is gone, or the process is, and then remove the folder."""
    while folder.exists():
        try:
            os.kill(watched, 0)
        except ProcessLookupError:
            break
        time.sleep(0.5)
    else:
        return
    lock = folder / "data" / "postmaster.pid"
    with contextlib.suppress(OSError, IndexError, ValueError):
        os.kill(int(lock.read_text("utf-8").split()[0]), signal.SIGQUIT)
        for _ in range(500):
            if not lock.exists():
                break
            time.sleep(0.02)
    shutil.rmtree(folder, ignore_errors=True)
    Path(f"{folder}.lock").unlink(missing_ok=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))

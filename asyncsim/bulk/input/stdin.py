"""Standard input, whose reader can be called back: one blocked in `read` could not."""

from __future__ import annotations

import io
import select
import sys
import threading
from os import read
from typing import cast

_PATIENCE = 0.2  # seconds after which a reader looks whether it is still wanted


def open_standard_input(halted: threading.Event) -> io.BufferedReader:
    """Read it without its own buffers, until `halted`; closing this leaves it open."""
    if sys.stdin is None:
        raise OSError("this process has no standard input")
    try:
        raw: io.IOBase = _StandardInput(sys.stdin.fileno(), halted)
    except io.UnsupportedOperation:  # replaced by an object, as tests do
        raw = io.BytesIO(sys.stdin.buffer.read())
    return io.BufferedReader(cast("io.RawIOBase", raw))


class _StandardInput(io.RawIOBase):
    """Standard input, whose reader can be called back: one blocked in `read` could not."""

    def __init__(self, descriptor: int, halted: threading.Event) -> None:
        self._descriptor = descriptor
        self._halted = halted

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # a buffer, by the documents
        while not self._ready():
            if self._halted.is_set():
                return 0
        data = read(self._descriptor, len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def _ready(self) -> bool:
        if sys.platform == "win32":  # its select knows sockets only; there a reader stays blocked
            return True
        return bool(select.select([self._descriptor], [], [], _PATIENCE)[0])

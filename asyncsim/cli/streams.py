"""stdout and stderr that do not fail without their readers.

A pipe breaks, a device is full, a terminal is gone or paused (Ctrl-S): none of these may stop
a job. Only a command whose purpose is its output ends with it.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TextIO, cast

from asyncsim.cli.exits import CommandError, Exit

_ROOM = 10_000  # pieces of text that wait to be written
_CHUNK = 16_384  # bytes written at once to a blocking pipe, to notice progress
_MOMENT = 0.25  # seconds that a flush waits, so that stdout and stderr keep their order
_PATIENCE = 10.0  # seconds without any progress after which a reader counts as gone
_RETRY = 0.02  # seconds between attempts at a pipe that is full and does not block
_WINDOWS = os.name == "nt"  # where a pipe without a reader is an invalid argument
_MAY_PASS = frozenset({errno.ENOSPC, errno.EDQUOT})


class OutputLost(CommandError):
    """stdout cannot be written; what was to be printed is lost."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the output cannot be written: {reason}", Exit.FAILED)


class ReaderLeft(OutputLost):
    """The reader of stdout has closed it (`| head`)."""


@contextlib.contextmanager
def lasting() -> Iterator[None]:
    """Keep failures of stdout and stderr from stopping the code inside."""
    _fill_gaps()
    before = sys.stdout, sys.stderr
    messages = Outlet(sys.stderr)
    # Both have the part of TextIO that callers use, and delegate the rest to the stream behind.
    sys.stdout, sys.stderr = cast("TextIO", Output(sys.stdout)), cast("TextIO", messages)
    try:
        yield
    finally:
        messages.close()
        sys.stdout, sys.stderr = before


def _fill_gaps() -> None:
    """Occupy the numbers of closed streams, so that none of our files gets one of them."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDONLY)  # the lowest that is free; writing there fails
    # Python leaves None where it found a stream closed.
    sys.stdout = sys.stdout or _opened(1)
    sys.stderr = sys.stderr or _opened(2)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a name may hold any character
    # A list waits for its reader; the parent process may have left a non-blocking pipe.
    with contextlib.suppress(OSError, AttributeError):  # Windows has it since Python 3.12
        os.set_blocking(1, True)


def _opened(number: int) -> TextIO:
    return open(number, "w", encoding="utf-8", closefd=False)  # for the whole process


class _Stream(ABC):
    """A text stream in front of another one."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    @abstractmethod
    def write(self, text: str) -> int:
        """Write text."""

    def writelines(self, lines: Iterable[str]) -> None:
        """Write lines, which have their ends."""
        for line in lines:
            self.write(line)


class Output(_Stream):
    """stdout of a command whose purpose is its output: OutputLost if it cannot be written."""

    def write(self, text: str) -> int:
        """Write text."""
        try:
            return self._stream.write(text)
        except OSError as error:
            raise self._given_up(error) from None

    def flush(self) -> None:
        """Flush everything."""
        try:
            self._stream.flush()
        except OSError as error:
            raise self._given_up(error) from None

    def _given_up(self, error: OSError) -> OutputLost:
        # Without this, Python would try to write the rest as it exits, and complain.
        with open(os.devnull, "w") as nowhere:  # noqa: PTH123
            os.dup2(nowhere.fileno(), self._stream.fileno())
        if isinstance(error, BrokenPipeError) or (_WINDOWS and error.errno == errno.EINVAL):
            return ReaderLeft("its reader has closed it")
        return OutputLost(error.strerror or str(error))


def _raw_of(stream: TextIO) -> io.RawIOBase | None:
    """The raw file of a stream; None for an object that only looks like a stream."""
    buffer = getattr(stream, "buffer", None)
    raw = getattr(buffer, "raw", buffer)  # with `python -u` there is nothing between
    return raw if isinstance(raw, io.RawIOBase) else None


class Outlet(_Stream):
    """A text stream that neither fails nor blocks its caller: its own thread writes.

    If a reader stalls, the oldest pieces are dropped. With `whole`, none is: the caller
    waits for a slow reader, and writing stops once it has stalled for ten seconds.
    """

    def __init__(self, stream: TextIO, *, encoding: str | None = None, whole: bool = False) -> None:
        super().__init__(stream)
        self._encoding = encoding or stream.encoding or "utf-8"
        self._whole = whole
        # Without Python's buffer: its lock, held by a thread that waits, would block the exit.
        self._raw = _raw_of(stream)
        self._pieces: deque[str] = deque()
        self._changed = threading.Condition()
        self._busy = self._late = self._lost = False
        self._written = 0
        self._thread: threading.Thread | None = None

    def write(self, text: str) -> int:
        """Queue text; it is written soon."""
        with self._changed:
            if len(self._pieces) >= _ROOM:
                self._make_room()
            if not self._lost:
                self._pieces.append(text)
                self._changed.notify_all()
                if self._thread is None:
                    self._thread = threading.Thread(target=self._work, daemon=True)
                    self._thread.start()
        return len(text)

    def _make_room(self) -> None:
        if not self._whole:
            self._pieces.popleft()
        elif not self._waited(lambda: len(self._pieces) < _ROOM):
            self._lost = True
            self._pieces.clear()

    def flush(self) -> None:
        """Wait a moment until all is written; no second time for a stalled reader."""
        if self._whole or self._late:
            return
        with self._changed:
            self._late = not self._changed.wait_for(lambda: self._idle, _MOMENT)

    def close(self) -> None:
        """Write the rest, as long as it is read."""
        with self._changed:
            self._waited(lambda: self._idle)

    @property
    def _idle(self) -> bool:
        return not self._busy and not self._pieces

    def _waited(self, done: Callable[[], bool]) -> bool:
        """Wait for the reader; False if it made no progress for too long."""
        before = -1
        while before != self._written:
            before = self._written
            if self._changed.wait_for(done, _PATIENCE):
                return True
        return False

    # In the thread.

    def _work(self) -> None:
        while True:
            with self._changed:
                self._busy = False
                self._late = self._late and bool(self._pieces)
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._pieces)
                text = "".join(self._pieces)
                self._pieces.clear()
                self._busy = True
                self._changed.notify_all()
            try:
                self._put(text)
            except (OSError, ValueError, OutputLost) as error:
                code = getattr(error, "errno", None)
                # A log on a full device continues once there is room again.
                self._lost = self._whole or code not in _MAY_PASS

    def _put(self, text: str) -> None:
        if self._raw is None:  # replaced by an object, as tests do
            self._stream.write(text)
            return
        data = memoryview(text.encode(self._encoding, "backslashreplace"))
        while data and not self._lost:
            written = self._raw.write(data[:_CHUNK])
            if written is None:
                time.sleep(_RETRY)
            else:
                data = data[written:]
                self._written += written

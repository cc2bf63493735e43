"""Files and standard input as lines of text; what is not text is told, with its line."""

from __future__ import annotations

import io
import re
import threading
from collections.abc import Iterator
from functools import partial
from os import PathLike, fspath
from pathlib import Path

from asyncsim.bulk.input.problems import Problems
from asyncsim.bulk.input.stdin import open_standard_input

STANDARD_INPUT = "-"
_LONGEST_LINE = 1_000_000  # characters; a file without line ends must not fill the memory
_SIGNATURES = {
    b"PK\x03\x04": "is a workbook (or another packed file), not CSV; save the sheet as CSV UTF-8",
    b"\xd0\xcf\x11\xe0": "is an old Excel workbook, not CSV; save the sheet as CSV UTF-8",
    b"\x1f\x8b": "is compressed; unpack it first",
    b"%PDF-": "is a PDF, not CSV; save the table as CSV UTF-8",
    b"\x89PNG": "is a picture, not CSV",
}
_BYTE_ORDER_MARKS = {
    b"\xef\xbb\xbf": "utf-8-sig",
    b"\xff\xfe\x00\x00": "utf-32",  # before UTF-16, whose mark it begins with
    b"\x00\x00\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}
_HEAD = 4096  # bytes by which a file is judged
_NO_TEXT = bytes({*range(32), 127} - {*b"\t\n\v\f\r\x1a\x1b"})  # control characters of no text
_ESCAPED = re.compile("[^\\s,;\"']*[\udc80-\udcff][^\\s,;\"']*")  # a word with undecoded bytes
_ADVICE = "save the file again as CSV UTF-8"


class Text:
    """One file, read once, line by line, with what cannot be read told to `problems`."""

    def __init__(self, target: str | PathLike[str], label: str, problems: Problems) -> None:
        self._target = target
        self._label = label
        self._problems = problems
        self._halted = threading.Event()
        self._open: list[io.IOBase] = []
        self._tolerant = True
        self.line = 0
        """Lines given so far."""

    def halt(self) -> None:
        """Make a reader that waits for more give up; from any thread."""
        self._halted.set()

    def close(self) -> None:
        """Close the file; standard input itself stays open."""
        self.halt()
        while self._open:
            self._open.pop().close()

    def lines(self) -> Iterator[str]:
        """Give the lines with their ends; end early after a problem that spoils the rest."""
        try:
            text = self._decoded()
            if text is not None:
                yield from self._checked(text)
        except OSError as error:
            self._problems.add(f"{self._label}: {error.strerror or error}")

    def _checked(self, text: io.TextIOWrapper) -> Iterator[str]:
        for line in iter(partial(text.readline, _LONGEST_LINE), ""):
            self.line += 1
            if len(line) >= _LONGEST_LINE:
                too_long = f"longer than {_LONGEST_LINE:,} characters; is this a text file?"
                self._problems.add(too_long, self.line)
                return
            yield line if line.isascii() and "\0" not in line else self._readable(line)

    def _readable(self, line: str) -> str:
        """Tell what is wrong with a line, and give it as something that can be stored."""
        if "\0" in line:
            self._problems.add(f"a NUL byte; {_ADVICE}", self.line)
            line = line.replace("\0", "")
        if found := _ESCAPED.search(line):
            guess = f"in Windows-1252 it has {_western(found[0])[:40]!r}"
            self._problems.add(f"not UTF-8 ({guess}); {_ADVICE}", self.line)
            return _western(line)
        if "\ufffd" in line and not self._tolerant:
            self._problems.add(f"damaged text; {_ADVICE}", self.line)
        return line

    def _decoded(self) -> io.TextIOWrapper | None:
        binary = self._binary()
        head = binary.peek(_HEAD)[:_HEAD]
        encoding = next(
            (name for mark, name in _BYTE_ORDER_MARKS.items() if head.startswith(mark)), "utf-8"
        )
        self._tolerant = encoding.startswith("utf-8")
        if spoilt := _spoilt(head, encoding):
            self._problems.add(f"{self._label} {spoilt}")
            return None
        errors = "surrogateescape" if self._tolerant else "replace"
        text = io.TextIOWrapper(binary, encoding=encoding, errors=errors, newline="")
        self._open.append(text)
        return text

    def _binary(self) -> io.BufferedReader:
        if self._target != STANDARD_INPUT:
            binary: io.BufferedReader = Path(fspath(self._target)).open("rb")  # noqa: SIM115  # closed by close()
        else:
            binary = open_standard_input(self._halted)
        self._open.append(binary)
        return binary


def _spoilt(head: bytes, encoding: str) -> str | None:
    """Say what a file is that is no text at all, by its first bytes."""
    for signature, text in _SIGNATURES.items():
        if head.startswith(signature):
            return text
    if encoding == "utf-8" and head.count(b"\0") > len(head) // 4:
        return "looks like UTF-16 without a byte order mark, or is no text; save it as CSV UTF-8"
    if encoding.startswith("utf-8") and len(head.translate(None, _NO_TEXT)) * 16 < len(head) * 15:
        return "is no text file; give one that names SIMs, saved as CSV UTF-8"
    return None


def _western(text: str) -> str:
    """Read undecoded bytes as the commonest of other encodings, which knows all but five."""
    return text.encode("utf-8", "surrogateescape").decode("cp1252", "replace")

"""CSV files and standard input: encoding, delimiter, header, records with their lines."""

from __future__ import annotations

import asyncio
import csv
import io
import re
import select
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain, islice
from os import PathLike, fspath, read
from pathlib import Path
from typing import Protocol, cast

from attrs import field, frozen

from asyncsim.bulk.input.identifiers import is_sid_or_iccid
from asyncsim.bulk.input.source import CHUNK, BuildRows, Problems, Record, Shape
from asyncsim.bulk.records import Row
from asyncsim.errors import JobError

_STANDARD_INPUT = "-"

# CSV.

_DELIMITERS = ";\t,"  # `,` last: in a tie, it is a decimal comma in a cell
_LONGEST_RECORD = 100  # lines of a header; with more, a quote was never closed
_DECLARED = re.compile(r'"?sep=(.)"?\s*')  # Excel's optional first line

# Text.

_LONGEST_LINE = 1_000_000  # characters; a file without line ends must not fill the memory
_HEAD = 4096  # bytes by which a file's type is recognised
_SIGNATURES = {
    b"PK\x03\x04": "is a workbook (or another ZIP file), not CSV; save the sheet as CSV UTF-8",
    b"\xd0\xcf\x11\xe0": "is an old Excel workbook, not CSV; save the sheet as CSV UTF-8",
    b"\x1f\x8b": "is compressed; unpack it first",
    b"%PDF-": "is a PDF, not CSV; save the table as CSV UTF-8",
    b"\x89PNG": "is an image, not CSV",
}
_BYTE_ORDER_MARKS = {
    b"\xef\xbb\xbf": "utf-8-sig",
    b"\xff\xfe\x00\x00": "utf-32",  # before UTF-16, whose mark is its prefix
    b"\x00\x00\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}
_CONTROL = bytes({*range(32), 127} - {*b"\t\n\v\f\r\x1a\x1b"})  # never found in text
_UNDECODED = re.compile("[^\\s,;\"']*[\udc80-\udcff][^\\s,;\"']*")  # a word with undecoded bytes
_ADVICE = "save the file again as CSV UTF-8"
_STOP_INTERVAL = 0.2  # seconds after which a reader of standard input checks whether to stop


class _CsvParser(Protocol):
    """What `csv.reader` returns; its class has no public name."""

    line_num: int

    def __next__(self) -> list[str]: ...


@frozen(kw_only=True)
class CsvSource:
    """A CSV file, or standard input."""

    target: str | PathLike[str]
    is_known_heading: Callable[[str], bool]
    """Returns whether the job knows a heading; used to guess the delimiter."""
    _opened: list[bool] = field(factory=list, init=False, repr=False, eq=False)

    @property
    def label(self) -> str:
        """Name of the file."""
        if self.target == _STANDARD_INPUT:
            return "standard input"
        return Path(fspath(self.target)).name

    @property
    def path(self) -> str | None:
        """Absolute path of the file; None for standard input."""
        return None if self.target == _STANDARD_INPUT else str(Path(fspath(self.target)).resolve())

    @property
    def unit(self) -> str:
        """Files have lines."""
        return "line"

    def open(self, problems: Problems) -> CsvReader:
        """Start a pass; standard input can be read only once."""
        if self.target == _STANDARD_INPUT and self._opened:
            raise JobError("standard input can be read only once; save it to a file first")
        self._opened.append(True)
        return CsvReader(self, problems)


class CsvReader:
    """One pass over a CSV file, in a thread, a chunk at a time."""

    def __init__(self, source: CsvSource, problems: Problems) -> None:
        self._is_known_heading = source.is_known_heading
        self._problems = problems
        self._text = _TextFile(source.target, source.label, problems)
        self._records = self._parse()
        self._shape = Shape(header=None, strict_names=True)

    async def read(self, build: BuildRows) -> list[Row] | None:
        """Build rows from the next chunk; None at the end."""

        def read_chunk() -> list[Row] | None:
            chunk = list(islice(self._records, CHUNK))
            return build(chunk, self._shape) if chunk else None

        # A thread: a pipe may be silent for minutes, and parsing must not hold up requests.
        reading = asyncio.get_running_loop().run_in_executor(None, read_chunk)
        try:
            return await asyncio.shield(reading)
        except asyncio.CancelledError:
            # The thread continues after a cancellation, using a file that `close` closes next.
            self._text.stop()
            await asyncio.wait([reading])
            raise

    def close(self) -> None:
        """Close the file; standard input itself stays open."""
        self._text.close()

    def _parse(self) -> Iterator[Record]:
        """Yield the records that are not blank, each as wide as the header."""
        # A CSV file does not declare its dialect (RFC 4180 only records common practice), so the
        # delimiter is taken from `sep=` or guessed from the whole first record.
        lines = self._text.read_lines()
        first = next(filter(str.strip, lines), None)
        declared = _DECLARED.fullmatch(first or "")
        if declared:
            first = next(filter(str.strip, lines), None)
        if first is None:
            return
        before = self._text.line - 1
        start = [first, *_rest_of_record(first, lines)]
        delimiter = declared[1] if declared else self._guess_delimiter("".join(start))
        parser: _CsvParser = csv.reader(chain(start, lines), delimiter=delimiter, strict=True)
        while True:
            line = before + parser.line_num + 1
            try:
                cells = next(parser)
            except StopIteration:
                return
            except csv.Error as error:
                self._problems.add(_explain(error), line)
                if "field limit" in str(error):
                    return  # the start of the next record is unknown
                continue
            if not any(cells) or not "".join(cells).strip():
                continue
            if line == before + 1 and not is_sid_or_iccid(cells[0]):
                self._shape = Shape(header=tuple(cells))
                continue
            width = len(cells) if self._shape.header is None else len(self._shape.header)
            if any(cell.strip() for cell in cells[width:]):
                text = f"{len(cells)} cells under a header of {width}; is a delimiter not quoted?"
                self._problems.add(text, line)
            else:
                # Spreadsheets leave out empty cells at the end, or add some.
                yield Record(line, [*cells[:width], *[""] * (width - len(cells))])

    def _guess_delimiter(self, first: str) -> str:
        """Return the delimiter with which the first record has the most known headings or SIMs."""
        # A bare list; with decimal commas, 8,99E+19 is one cell, not two.
        if is_sid_or_iccid(first):
            return ";"

        def score(delimiter: str) -> tuple[int, int]:
            cells = next(csv.reader(first.splitlines(keepends=True), delimiter=delimiter))
            named = is_sid_or_iccid(cells[0]) if cells else False
            return sum(map(self._is_known_heading, cells)) + named, len(cells)

        return max(_DELIMITERS, key=score)


def _rest_of_record(first: str, lines: Iterator[str]) -> Iterator[str]:
    """Yield the lines of one record, whose cells may hold quoted line breaks."""
    quotes = first.count('"')
    for line in islice(lines, _LONGEST_RECORD if quotes % 2 else 0):
        yield line
        quotes += line.count('"')
        if quotes % 2 == 0:
            return


def _explain(error: csv.Error) -> str:
    text = str(error)
    if "end of data" in text:
        return "a quote opened here is never closed"
    if "field limit" in text:
        return f"a cell of more than {csv.field_size_limit():,} characters; is a quote not closed?"
    return f"misplaced quotes ({text}); a quote inside a cell must be doubled"


class _TextFile:
    """A file or standard input, read once, line by line; data that is not text is a problem."""

    def __init__(self, target: str | PathLike[str], label: str, problems: Problems) -> None:
        self.line = 0
        """Lines read so far."""
        self._target = target
        self._label = label
        self._problems = problems
        self._stopped = threading.Event()
        self._open_files: list[io.IOBase] = []
        self._is_utf8 = True

    def stop(self) -> None:
        """Make a blocked reader give up; from any thread."""
        self._stopped.set()

    def close(self) -> None:
        """Close the file; standard input itself stays open."""
        self.stop()
        while self._open_files:
            self._open_files.pop().close()

    def read_lines(self) -> Iterator[str]:
        """Yield the lines with their ends; stop early after a problem that affects the rest."""
        try:
            text = self._open()
            if text is None:
                return
            for line in iter(partial(text.readline, _LONGEST_LINE), ""):
                self.line += 1
                if len(line) >= _LONGEST_LINE:
                    too_long = f"longer than {_LONGEST_LINE:,} characters; is this a text file?"
                    self._problems.add(too_long, self.line)
                    return
                # Nearly all lines are ASCII, which is quick to check.
                yield line if line.isascii() and "\0" not in line else self._check(line)
        except OSError as error:
            self._problems.add(f"{self._label}: {error.strerror or error}")

    def _open(self) -> io.TextIOWrapper | None:
        if self._target == _STANDARD_INPUT:
            binary = _StandardInput.open(self._stopped)
        else:
            binary = Path(fspath(self._target)).open("rb")  # noqa: SIM115  # closed by close()
        self._open_files.append(binary)
        head = binary.peek(_HEAD)[:_HEAD]
        encoding = next(
            (name for mark, name in _BYTE_ORDER_MARKS.items() if head.startswith(mark)), "utf-8"
        )
        self._is_utf8 = encoding.startswith("utf-8")
        if found := _describe_binary(head, encoding):
            self._problems.add(f"{self._label} {found}")
            return None
        # Undecoded bytes are kept, so that `_check` can show them as Windows-1252.
        errors = "surrogateescape" if self._is_utf8 else "replace"
        text = io.TextIOWrapper(binary, encoding=encoding, errors=errors, newline="")
        self._open_files.append(text)
        return text

    def _check(self, line: str) -> str:
        """Report the problems of a line, and return it in a form that can be stored."""
        if "\0" in line:
            self._problems.add(f"a NUL byte; {_ADVICE}", self.line)
            line = line.replace("\0", "")
        if found := _UNDECODED.search(line):
            guess = f"in Windows-1252 it has {_decode_western(found[0])[:40]!r}"
            self._problems.add(f"not UTF-8 ({guess}); {_ADVICE}", self.line)
            return _decode_western(line)
        if "\ufffd" in line and not self._is_utf8:
            self._problems.add(f"damaged text; {_ADVICE}", self.line)
        return line


def _describe_binary(head: bytes, encoding: str) -> str | None:
    """Describe a file whose first bytes are not text; None if they are."""
    for signature, text in _SIGNATURES.items():
        if head.startswith(signature):
            return text
    if encoding == "utf-8" and head.count(b"\0") > len(head) // 4:
        return "looks like UTF-16 without a byte order mark, or is not text; save it as CSV UTF-8"
    if encoding.startswith("utf-8") and len(head.translate(None, _CONTROL)) * 16 < len(head) * 15:
        return "is not a text file; pass a list of SIMs, saved as CSV UTF-8"
    return None


def _decode_western(text: str) -> str:
    """Decode bytes as Windows-1252, the most common other encoding, which lacks only five."""
    return text.encode("utf-8", "surrogateescape").decode("cp1252", "replace")


class _StandardInput(io.RawIOBase):
    """Standard input that can be stopped: a thread blocked in `sys.stdin.read` cannot be."""

    @classmethod
    def open(cls, stopped: threading.Event) -> io.BufferedReader:
        if sys.stdin is None:  # as under pythonw, or in some services
            raise OSError("this process has no standard input")
        try:
            # Not `sys.stdin.buffer`: `select` would not see data in its buffer.
            raw: io.IOBase = cls(sys.stdin.fileno(), stopped)
        except io.UnsupportedOperation:  # replaced by an object, as tests do
            raw = io.BytesIO(sys.stdin.buffer.read())
        return io.BufferedReader(cast("io.RawIOBase", raw))

    def __init__(self, descriptor: int, stopped: threading.Event) -> None:
        self._descriptor = descriptor
        self._stopped = stopped

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # a writable buffer
        # On Windows `select` takes only sockets, so a reader stays blocked there.
        while (
            sys.platform != "win32"
            and not select.select([self._descriptor], [], [], _STOP_INTERVAL)[0]
        ):
            if self._stopped.is_set():
                return 0
        data = read(self._descriptor, len(buffer))
        buffer[: len(data)] = data
        return len(data)

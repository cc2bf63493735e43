"""A file that names SIMs: CSV with a header, or a bare list of ICCIDs or SIDs."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from attrs import frozen

from asyncsim.cli.exits import CommandError

_ALIASES = {
    "sid": "sid",
    "sim_sid": "sid",
    "iccid": "iccid",
    "icc_id": "iccid",
    "sim_iccid": "iccid",
    "unique_name": "unique_name",
    "uniquename": "unique_name",
    "sim_unique_name": "unique_name",
}
_PREFERENCE = ("sid", "iccid", "unique_name")
_NAME = re.compile(r"\d{18,22}|[A-Z]{2}[0-9a-fA-F]{32}")
# What spreadsheets make of 20 digits that they take for a number: the last ones are lost.
_ROUNDED = re.compile(r"\d([.,]\d+)?[eE]\+?\d+")
_LISTED = 5


@frozen
class Entry:
    """One SIM as a file names it: by SID, ICCID or unique name."""

    line: int
    name: str


def read(path: Path) -> list[Entry]:
    """Read a file whole; CommandError tells what is wrong with it, and where."""
    try:
        text = path.read_text(encoding="utf-8-sig")  # spreadsheets begin with a byte order mark
    except UnicodeDecodeError as error:
        raise CommandError(f"{path} is not UTF-8 text; export it as CSV UTF-8") from error
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror or error}") from error
    entries = list(_entries(path, text))
    if not entries:
        raise CommandError(f"{path} names no SIM")
    _refuse_rounded(path, entries)
    return entries


def _entries(path: Path, text: str) -> Iterator[Entry]:
    lines = text.splitlines()
    rows = csv.reader(lines, delimiter=_delimiter(lines))
    columns: Sequence[int] | None = None
    for row in rows:
        cells = [cell.strip().lstrip("'") for cell in row]  # a quote keeps text text in Excel
        if not any(cells):
            continue
        if columns is None:
            columns = _columns(path, cells)
            if not _is_name(cells[0]):
                continue
        yield Entry(rows.line_num, _name(path, rows.line_num, cells, columns))


def _delimiter(lines: Sequence[str]) -> str:
    first = next((line for line in lines if line.strip()), "").strip()
    # A bare list; and where commas are decimal, 8,99E+19 is one cell, not two.
    if _is_name(first):
        return ";"
    return max("\t;,", key=first.count)


def _columns(path: Path, header: Sequence[str]) -> Sequence[int]:
    """Indexes of the columns that name a SIM, the best first."""
    if _is_name(header[0]):
        return (0,)
    known = [_ALIASES.get(re.sub(r"[\s-]+", "_", cell.lower())) for cell in header]
    found = [known.index(kind) for kind in _PREFERENCE if kind in known]
    if not found:
        shown = ", ".join(header)[:80]
        raise CommandError(
            f"{path}: no column is called sid, iccid or unique_name (found: {shown}),"
            " and it does not begin with an ICCID or a SID"
        )
    return found


def _is_name(cell: str) -> bool:
    return bool(_NAME.fullmatch(cell) or _ROUNDED.fullmatch(cell))


def _name(path: Path, line: int, cells: Sequence[str], columns: Sequence[int]) -> str:
    for column in columns:
        if column < len(cells) and cells[column]:
            return cells[column]
    raise CommandError(f"{path}, line {line}: this row names no SIM")


def _refuse_rounded(path: Path, entries: Sequence[Entry]) -> None:
    rounded = [entry for entry in entries if _ROUNDED.fullmatch(entry.name)]
    if rounded:
        raise CommandError(
            f"{path}, {line_numbers(rounded)}: {rounded[0].name!r} is an ICCID that a spreadsheet"
            " has rounded, its last digits are lost; format that column as text before the"
            " numbers are entered or imported, then export again"
        )


def line_numbers(entries: Sequence[Entry]) -> str:
    """Where entries stand, in words."""
    shown = ", ".join(str(entry.line) for entry in entries[:_LISTED])
    more = f" and {len(entries) - _LISTED:,} more" if len(entries) > _LISTED else ""
    return f"line{'s' if len(entries) > 1 else ''} {shown}{more}"

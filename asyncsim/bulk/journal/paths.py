"""Is there a journal at a path, or could there be one? Asked before anything is opened."""

from __future__ import annotations

import os
from pathlib import Path

from asyncsim.errors import JournalError


def check(path: Path, target: str, *, read_only: bool) -> None:
    """Refuse a path where no journal can be, and say why."""
    if path.is_dir():
        raise JournalError(f"{target} is a folder: give the path of a file for the journal")
    if not path.parent.is_dir():
        raise JournalError(f"journal {target}: there is no folder {path.parent}; make it first")
    _check_remains(path, target)
    if path.exists():
        _check_file(path, target, read_only=read_only)
    elif read_only:
        raise JournalError(f"there is no journal {target}: has the job been started?")
    if not read_only and not os.access(path.parent, os.W_OK | os.X_OK):
        raise JournalError(
            f"journal {target}: the folder {path.parent} cannot be written;"
            " make it writable or give another path for the journal"
        )


def _check_remains(path: Path, target: str) -> None:
    """Refuse a WAL without its journal: SQLite would throw it away, and with it what was sent."""
    wal = path.with_name(f"{path.name}-wal")
    if _size(wal) and not _size(path):
        raise JournalError(
            f"journal {target} is missing, but {wal.name}, with what a run wrote last, is here:"
            " put the journal back beside it; do not begin anew, or what was sent may be sent a"
            " second time"
        )


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _check_file(path: Path, target: str, *, read_only: bool) -> None:
    if not path.is_file():
        raise JournalError(f"{target} is not a plain file: give another path for the journal")
    if not os.access(path, os.R_OK):
        raise JournalError(f"journal {target} cannot be read: look at the rights of the file")
    if not read_only and not os.access(path, os.W_OK):
        raise JournalError(f"journal {target} cannot be written: make the file writable")

"""The file of a journal: its lock, and what may be at its path."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

from asyncsim.errors import JournalError

_MAGIC = b"SQLite format 3\0"
_WAL_VERSIONS = b"\2\2"
"""Bytes 18 and 19 of a file that is, or was last, in WAL mode (SQLite's file format, 1.3.3)."""


class JournalFile:
    """One journal's file, with the WAL and the lock beside it."""

    def __init__(self, target: str, *, read_only: bool) -> None:
        self.path = Path(target).resolve()
        self._target = target
        self._read_only = read_only
        self._wal = self.path.with_name(f"{self.path.name}-wal")
        self._lock: BaseFileLock | None = None
        self._was_created = False

    def wal_size(self) -> int:
        """Return the bytes that are in the WAL."""
        try:
            return self._wal.stat().st_size
        except FileNotFoundError:
            return 0

    def acquire(self) -> bool:
        """Lock the journal; False while another process has it."""
        # The operating system releases the lock when the process dies: a kill leaves nothing to
        # clean up. Not per thread: whichever thread closes the journal releases it.
        path = self.path.with_name(self.path.name + ".lock")
        lock = FileLock(path, mode=0o600, thread_local=False)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return False
        self._lock = lock
        return True

    def create(self) -> None:
        """Make an empty file if there is none."""
        with suppress(FileExistsError):
            # Only its owner may read it: the secret of the job's callbacks is in it.
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
            self._was_created = True

    def release(self, *, keep: bool) -> None:
        """Give the lock back; a file that `create` has made goes unless it is to be kept."""
        lock, self._lock = self._lock, None
        if lock is None:
            return
        if self._was_created and not keep:
            for suffix in ("", "-wal", "-shm", "-journal"):
                self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
            # A process that waits for the lock notices that its file is gone and makes another
            # (filelock >= 3.21).
            with suppress(OSError):  # Windows keeps a file that is open
                Path(lock.lock_file).unlink()
        self._was_created = False
        lock.release()

    def check_path(self) -> None:
        """Reject a path where no journal can be, before anything is opened or made."""
        path, target = self.path, self._target
        if path.is_dir():
            raise JournalError(f"{target} is a folder: give the path of a file for the journal")
        if not path.parent.is_dir():
            raise JournalError(f"journal {target}: there is no folder {path.parent}; make it first")
        exists = path.exists()
        if self.wal_size() and not (exists and path.stat().st_size):
            # SQLite would throw the WAL away, and with it what was sent.
            raise JournalError(
                f"journal {target} is missing, but {self._wal.name}, with what a run wrote last, is"
                " here: put the journal back beside it; do not begin anew, or what was sent may be"
                " sent a second time"
            )
        if not exists and self._read_only:
            raise JournalError(f"there is no journal {target}: has the job been started?")
        if exists and not path.is_file():
            raise JournalError(f"{target} is not a regular file: give another path for the journal")
        if exists and not os.access(path, os.R_OK):
            raise JournalError(f"journal {target} cannot be read: check the file's permissions")
        if self._read_only:
            return
        if exists and not os.access(path, os.W_OK):
            raise JournalError(f"journal {target} cannot be written: make the file writable")
        if not os.access(path.parent, os.W_OK | os.X_OK):  # SQLite keeps the WAL beside the file
            raise JournalError(
                f"journal {target}: the folder {path.parent} cannot be written;"
                " make it writable or give another path for the journal"
            )

    def check_content(self) -> None:
        """Reject a file that SQLite did not write; an empty one is as good as none."""
        with self.path.open("rb") as file:
            start = file.read(len(_MAGIC))
        if start and start != _MAGIC:
            raise JournalError(
                f"{self._target} is not a journal, not even a SQLite file; give another path"
            )

    def check_wal(self) -> None:
        """Reject a journal whose WAL is gone: a run would send again what stands only there.

        While a run writes, `needs_wal` is true in the file itself and false in the WAL. So it is
        false once both have been merged, whoever did that (an SQL shell, too), and true in a file
        that was moved alone.
        """
        with self.path.open("rb") as file:
            versions = file.read(20)[18:]
        if versions != _WAL_VERSIONS or self._wal.exists():
            return
        # immutable: the file is read as it is, and nothing is made beside it.
        uri = f"{self.path.as_uri()}?mode=ro&immutable=1"
        with closing(sqlite3.connect(uri, uri=True)) as alone:
            (needs_wal,) = alone.execute("SELECT needs_wal FROM journal").fetchone()
        if needs_wal and not self._wal.exists():  # a run may have begun just now
            raise JournalError(
                f"journal {self._target} is incomplete: {self._wal.name}, which has what a run"
                " wrote last, is missing. Put it back beside the journal; do not begin anew, or"
                " what was sent may be sent a second time"
            )

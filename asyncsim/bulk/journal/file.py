"""The file of a journal: its lock, and the checks of its path."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

from asyncsim.errors import JournalError

_MAGIC = b"SQLite format 3\0"
APPLICATION_ID = 0x4153494D
"""`ASIM`: marks a SQLite file as a journal, in its header."""
_WAL_VERSIONS = b"\2\2"
"""Bytes 18 and 19 of a file that is, or was last, in WAL mode (SQLite's file format, 1.3.3)."""


def is_journal(path: str | os.PathLike[str]) -> bool:
    """Tell whether a file looks like a journal, by its header alone; OSError if it is unreadable.

    In a folder of SQLite files this opens no database of another program.
    """
    with Path(path).open("rb") as file:
        header = file.read(72)
    # SQLite's file format, 1.3: the application id is in bytes 68 to 71.
    return header.startswith(_MAGIC) and header[68:] == APPLICATION_ID.to_bytes(4)


def read_format(path: Path) -> int:
    """Return the format of a journal's tables; 0 if there are none yet."""
    if not path.exists() or not is_journal(path):
        return 0
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
        found: int = connection.execute("SELECT format FROM journal").fetchone()[0]
    return found


class JournalFile:
    """One journal's file, with its WAL and lock files."""

    def __init__(self, target: str, *, read_only: bool) -> None:
        self.path = Path(target).resolve()
        self._target = target
        self._read_only = read_only
        self._wal = self.path.with_name(f"{self.path.name}-wal")
        self._lock: BaseFileLock | None = None
        self._was_created = False

    def wal_size(self) -> int:
        """Return the size of the WAL in bytes."""
        try:
            return self._wal.stat().st_size
        except FileNotFoundError:
            return 0

    def acquire(self) -> bool:
        """Lock the journal; False while another process has it."""
        # The operating system releases the lock when the process dies: a kill leaves nothing to
        # clean up. Not per thread: any thread may close the journal and release it.
        path = self.path.with_name(self.path.name + ".lock")
        lock = FileLock(path, mode=0o600, thread_local=False)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return False
        self._lock = lock
        return True

    def create(self) -> None:
        """Create an empty file if there is none."""
        with suppress(FileExistsError):
            # Readable only by its owner: it holds the secret of the job's callbacks.
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
            self._was_created = True

    def release(self, *, keep: bool) -> None:
        """Release the lock; remove a file that `create` created unless `keep` is set."""
        lock, self._lock = self._lock, None
        if lock is None:
            return
        if self._was_created and not keep:
            for suffix in ("", "-wal", "-shm", "-journal"):
                self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
            # A process that waits for the lock notices that its file is gone and creates another
            # (filelock >= 3.21).
            with suppress(OSError):  # Windows does not remove an open file
                Path(lock.lock_file).unlink()
        self._was_created = False
        lock.release()

    def check_path(self) -> None:
        """Reject a path that cannot hold a journal, before anything is opened or created."""
        path, target = self.path, self._target
        if path.is_dir():
            raise JournalError(f"{target} is a folder: choose a file path for the journal")
        if not path.parent.is_dir():
            raise JournalError(
                f"journal {target}: there is no folder {path.parent}; create it first"
            )
        exists = path.exists()
        if self.wal_size() and not (exists and path.stat().st_size):
            # SQLite would discard the WAL, and with it the record of what was sent.
            raise JournalError(
                f"journal {target} is missing, but {self._wal.name}, with a run's latest writes, is"
                " here: put the journal back next to it; do not start over, or requests may be sent"
                " twice"
            )
        if not exists and self._read_only:
            raise JournalError(f"there is no journal {target}: has the job been started?")
        if exists and not path.is_file():
            raise JournalError(
                f"{target} is not a regular file: choose another path for the journal"
            )
        if exists and not os.access(path, os.R_OK):
            raise JournalError(f"journal {target} cannot be read: check the file's permissions")
        if self._read_only:
            return
        if exists and not os.access(path, os.W_OK):
            raise JournalError(f"journal {target} cannot be written: make the file writable")
        if not os.access(path.parent, os.W_OK | os.X_OK):  # SQLite keeps the WAL next to the file
            raise JournalError(
                f"journal {target}: the folder {path.parent} cannot be written;"
                " make it writable or choose another path for the journal"
            )

    def check_content(self) -> None:
        """Reject a file that SQLite did not write; an empty one counts as missing."""
        with self.path.open("rb") as file:
            start = file.read(len(_MAGIC))
        if start and start != _MAGIC:
            raise JournalError(
                f"{self._target} is not a journal, not even a SQLite file; choose another path"
            )

    def check_wal(self) -> None:
        """Reject a journal whose WAL is gone: a run would resend what only the WAL recorded.

        While a run writes, `needs_wal` is true in the file itself and false in the WAL. So it is
        false once both have been merged, even by an SQL shell, and true in a file
        that was moved alone.
        """
        with self.path.open("rb") as file:
            versions = file.read(20)[18:]
        if versions != _WAL_VERSIONS or self._wal.exists():
            return
        # immutable: the file is read as it is, and no other files are created.
        uri = f"{self.path.as_uri()}?mode=ro&immutable=1"
        with closing(sqlite3.connect(uri, uri=True)) as alone:
            (needs_wal,) = alone.execute("SELECT needs_wal FROM journal").fetchone()
        if needs_wal and not self._wal.exists():  # a run may have started just now
            raise JournalError(
                f"journal {self._target} is incomplete: {self._wal.name}, with the last writes of a"
                " run, is missing. Put it back next to the journal; do not start over, or"
                " requests may be sent twice"
            )

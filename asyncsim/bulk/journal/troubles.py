"""What goes wrong with a database, in words that tell what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from sqlite3 import Error as SqliteError

from sqlalchemy.exc import SQLAlchemyError

from asyncsim.errors import JournalError

_AGAIN = "then run the same command again: what was recorded is kept"

# SQLite's name of the error, or how it begins -> what is wrong and what to do about it.
_WORDS = {
    "SQLITE_FULL": f"the disk is full: free space, {_AGAIN}",
    "SQLITE_IOERR": f"the disk cannot be written or read (over quota?): mend that, {_AGAIN}",
    "SQLITE_READONLY": f"it cannot be written: make the file and its folder writable, {_AGAIN}",
    "SQLITE_CANTOPEN": "its files cannot be opened: look at the rights of the file and its folder",
    "SQLITE_BUSY": f"another program has locked it (an SQL shell?): close that, {_AGAIN}",
    "SQLITE_LOCKED": f"another program has locked it (an SQL shell?): close that, {_AGAIN}",
    "SQLITE_NOTADB": "it is no SQLite file: give another path for the journal",
    "SQLITE_CORRUPT": "the file is damaged: bring it back from a backup",
}


def in_words(target: str, error: BaseException) -> JournalError:
    """Say it as a JournalError about this journal."""
    cause = getattr(error, "orig", None) or error
    name = getattr(cause, "sqlite_errorname", None) or ""
    for known, words in _WORDS.items():
        if name.startswith(known):
            return JournalError(f"journal {target}: {words} ({cause})")
    return JournalError(f"journal {target} cannot be used: {cause}")


@contextmanager
def spoken(target: str) -> Iterator[None]:
    """Raise what the database raises as a JournalError."""
    try:
        yield
    # ValueError: text that cannot be stored, or a connection that is closed already.
    except (SQLAlchemyError, SqliteError, OSError, ValueError) as error:
        raise in_words(target, error) from error

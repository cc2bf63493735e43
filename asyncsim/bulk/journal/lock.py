"""One process at a time: a lock that the operating system lets go of when its holder dies."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

from asyncsim.errors import JournalError


def lock_of(path: Path) -> BaseFileLock:
    """Return the lock of the journal at this path; not taken yet."""
    # Not per thread: whichever thread closes the journal gives the lock back.
    return FileLock(path.with_name(path.name + ".lock"), mode=0o600, thread_local=False)


def take(lock: BaseFileLock) -> bool:
    """Take it at once, or not at all: False when another holds it."""
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return False
    return True


def remove(lock: BaseFileLock) -> None:
    """Remove the file of a lock that is taken, for a journal that does not stay.

    Whoever waits for it notices that its file is gone and makes another (filelock >= 3.21).
    """
    with suppress(OSError):  # Windows keeps a file that is open
        Path(lock.lock_file).unlink()


def in_use(target: str, process: int | None, host: str | None) -> JournalError:
    """Say who has it open, as far as the journal tells."""
    who = f"process {process} on {host}" if process else "another process"
    return JournalError(
        f"journal {target} is in use by {who}: wait until that has ended, or stop it;"
        " its progress can be looked at meanwhile"
    )

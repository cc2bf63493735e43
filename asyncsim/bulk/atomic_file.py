"""Files that appear under their names only once they are complete, and CSV files of changes."""

from __future__ import annotations

import asyncio
import csv
import os
import secrets
from collections.abc import AsyncIterable, Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO, TypeVar

from asyncsim.bulk.journal.database import finish_despite_cancel

T = TypeVar("T")

_BATCH = 1000  # rows that a thread writes at once, while the event loop runs


class AtomicFile:
    """A text file written under a temporary name, so that half a file is never visible.

    Leaving the context before `commit` removes it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        # In the same folder, because a rename is atomic only within one file system.
        self._temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")

    def __enter__(self) -> Self:
        # Cells may hold line breaks of any kind, which the csv module writes as they are.
        self.file: TextIO = self._temporary.open("x", encoding="utf-8", newline="")
        return self

    def commit(self) -> None:
        """Rename it to its final name, once its content is on disk."""
        # On disk before the rename: after a power cut the file could be empty otherwise.
        self.file.flush()
        os.fsync(self.file.fileno())
        self.file.close()
        self._temporary.replace(self.path)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with suppress(OSError):  # on a full disk, flushing fails again
            self.file.close()
        self._temporary.unlink(missing_ok=True)


async def in_thread(work: Callable[[], T]) -> T:
    """Do work with files in a thread, to its end."""
    # Completed even when cancelled: it uses files that are closed next.
    return await finish_despite_cancel(asyncio.to_thread(work))


async def write_csv(
    path: str | os.PathLike[str], header: Sequence[str], rows: AsyncIterable[Sequence[str]]
) -> int:
    """Write a CSV file; returns its number of rows. OSError says why it cannot be written."""
    number = 0
    try:
        file = await in_thread(AtomicFile(Path(path)).__enter__)
        try:
            writer = csv.writer(file.file, lineterminator="\n")
            batch: list[Sequence[str]] = [header]
            async for row in rows:
                batch.append(row)
                number += 1
                if len(batch) == _BATCH:
                    await in_thread(partial(writer.writerows, batch))
                    batch = []
            await in_thread(partial(writer.writerows, batch))
            await in_thread(file.commit)
        finally:
            await in_thread(partial(file.__exit__, None, None, None))
    except OSError as error:
        reason = error.strerror or str(error)
        raise OSError(error.errno, f"{path} cannot be written: {reason}") from error
    return number

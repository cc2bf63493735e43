"""A file under another name, until it is complete: nobody ever sees half of it."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO


class Draft:
    """A text file to be; leaving the context before `take_place` removes it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        """Its place."""
        # In the same folder: only there it can take its place in one step.
        self._draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")

    def __enter__(self) -> Self:
        self.file: TextIO = self._draft.open("x", encoding="utf-8", newline="")
        return self

    def take_place(self) -> None:
        """Put it where it belongs, once it is on disk."""
        self.file.flush()
        os.fsync(self.file.fileno())
        self.file.close()
        self._draft.replace(self.path)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with suppress(OSError):  # what could not be written is not wanted any more
            self.file.close()
        self._draft.unlink(missing_ok=True)

"""NDJSON: the events of a job on stdout, one JSON object per line."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, Self

from msgspec.structs import asdict

from asyncsim import events
from asyncsim.cli.output import ndjson_line
from asyncsim.cli.streams import Outlet

_STARTS = (events.CallStarted, events.RequestStarted, events.WaitStarted)


class NdjsonWriter:
    """An observer that writes events, but no starts, as `{"event": class name, ...fields}`."""

    def __init__(self) -> None:
        self._lines: Outlet | None = None

    def __call__(self, event: events.Event, /) -> None:
        """Write one event."""
        # The end of a request or a wait says what its start said; half as many lines are enough.
        if not isinstance(event, _STARTS):
            self.write(type(event).__name__, asdict(event))

    def write(self, name: str, fields: Mapping[str, Any]) -> None:
        """Write one line; a reader that leaves does not stop the job."""
        if self._lines is None:
            self._lines = Outlet(sys.stdout, encoding="utf-8", whole=True)
        self._lines.write(ndjson_line({"event": name, **fields}))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Wait until the last lines are written."""
        if self._lines is not None:
            self._lines.close()

"""Events on stdout, one JSON object a line, for programs that follow a job."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

from attrs import asdict

from asyncsim import events
from asyncsim.cli import terminal


class Ndjson:
    """An observer that writes each event as `{"event": its class, ...its fields}`."""

    def __init__(self) -> None:
        self._listened_to = True

    def __call__(self, event: events.Event, /) -> None:
        """Write one event."""
        # Events are attrs classes, of which a union's type says nothing.
        self.write(type(event).__name__, asdict(event))

    def write(self, name: str, fields: Mapping[str, Any]) -> None:
        """Write one line; for as long as somebody reads: whoever leaves does not stop the job."""
        if not self._listened_to:
            return
        try:
            sys.stdout.write(json.dumps({"event": name, **fields}, ensure_ascii=False) + "\n")
            sys.stdout.flush()
        except BrokenPipeError:
            self._listened_to = False
            terminal.abandon_stdout()

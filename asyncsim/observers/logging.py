"""Logging observer: writes each event to the log, as a line and as structured fields."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Any

from msgspec.structs import asdict

from asyncsim import events

logger = logging.getLogger("asyncsim")

_LEVELS: dict[type[events.Event], int] = {
    events.ForeignPage: logging.WARNING,
    events.CallbackRefused: logging.WARNING,
    events.SweepingStopped: logging.WARNING,
    events.RequestRetried: logging.INFO,
    events.LimitChanged: logging.INFO,
    events.TokenMinted: logging.INFO,
}
"""All others are DEBUG: there is one for every request and every SIM."""

# No event holds a credential. But `reason` and `origin` quote what servers, proxies and libraries
# said, and a log is kept for years: the schemes of RFC 7617 and RFC 6750, and user info in URLs.
_CREDENTIALS = re.compile(r"(?i)(\b(?:basic|bearer)\s+)[\w.~+/=-]{8,}|(?<=://)[^/\s@]*(?=@)")
_IDENTIFIERS = re.compile(r"\b[A-Z]{2}[0-9a-fA-F]{32}\b|\b\d{18,22}\b")
_NAMES = frozenset({"name", "sid", "path"})
"""Fields that hold SIDs, ICCIDs or unique names, whatever they look like."""


class Log:
    """Writes events to the logger `asyncsim`; credentials in quoted texts are shown as `***`.

    Each record has the fields of its event as attributes too, for formatters that write JSON:
    `asyncsim_event` is the class name, and every field has the prefix `asyncsim_`. Values are text,
    numbers, booleans, None and flat mappings. `identifiers=False` hides what identifies a SIM:
    names are masked, and SIDs and ICCIDs in texts.
    """

    def __init__(self, *, identifiers: bool = True) -> None:
        self._identifiers = identifiers

    def __call__(self, event: events.Event, /) -> None:
        """Write one event, unless its level is off."""
        level = _LEVELS.get(type(event), logging.DEBUG)
        if logger.isEnabledFor(level):
            name = type(event).__name__
            fields = {key: self._shown(key, value) for key, value in asdict(event).items()}
            parts = " ".join(f"{key}={value!r}" for key, value in fields.items())
            extra = {f"asyncsim_{key}": value for key, value in fields.items()}
            logger.log(level, "%s %s", name, parts, extra={"asyncsim_event": name, **extra})

    def _shown(self, key: str, value: Any) -> Any:
        if isinstance(value, Mapping):
            return dict(value)
        if not isinstance(value, str):
            return value
        if key in _NAMES and not self._identifiers:
            return "***"
        text = _CREDENTIALS.sub(r"\g<1>***", value)  # and an enum's member becomes plain text
        return text if self._identifiers else _IDENTIFIERS.sub("***", text)


log = Log()
"""Shows identifiers, as a log for operators must."""

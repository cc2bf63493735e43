"""Logging observer: writes each event to the log."""

from __future__ import annotations

import logging

from attrs import asdict

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


def log(event: events.Event, /) -> None:
    """Write an event to the logger `asyncsim`; no event holds a secret."""
    level = _LEVELS.get(type(event), logging.DEBUG)
    if logger.isEnabledFor(level):
        parts = " ".join(f"{name}={value!r}" for name, value in asdict(event).items())
        logger.log(level, "%s %s", type(event).__name__, parts)

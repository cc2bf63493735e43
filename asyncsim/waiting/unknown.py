"""Statuses that no document knows: each is told once, and counts as pending."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from asyncsim.events import Event, UnknownStatus
from asyncsim.kind import Kind

logger = logging.getLogger("asyncsim")

_MOST = 20  # different ones; whoever makes statuses up must not fill the log


class Unknown:
    """Those of one kind."""

    def __init__(self, kind: Kind[Any], notify: Callable[[Event], None]) -> None:
        self._kind = kind
        self._notify = notify
        self._told: set[str] = set()

    def notice(self, record: Any) -> None:
        """Say it if this record is in a new one."""
        status = record.status
        if status is None or status in self._kind.statuses or status in self._told:
            return
        if len(self._told) < _MOST:
            self._told.add(status)
            text = (
                "%s is in status %r, which no document knows: it counts as pending;"
                " if it is final, say Watching(final={%r})"
            )
            logger.warning(text, record.sid, status, status)
            self._notify(UnknownStatus(product=self._kind.product, name=record.sid, status=status))

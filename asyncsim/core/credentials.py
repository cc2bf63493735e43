"""Whether a client's credentials are refused for good: judged once, for all of its waits.

A gateway may refuse a login for some seconds, and a new token may not be known everywhere yet. So
after a refusal one read at a time probes, and all others pause.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol

from attrs import define

from asyncsim.core.settings import Watching

_PROBES = 3


class Dependent(Protocol):
    """Who pauses while the credentials are in doubt."""

    def credentials_changed(self) -> None:
        """They came into doubt, or out of it, or a probe is over."""

    def credentials_refused(self, error: Exception) -> None:
        """They are refused for good."""


@define
class _Doubt:
    since: float
    error: Exception
    refused_at: float
    next_at: float
    probes: int = 0
    probing: bool = False


class Credentials:
    """One client's. All moments are the clock's."""

    def __init__(self, watching: Watching, now: Callable[[], float]) -> None:
        self._first = watching.first
        self._longest = watching.longest
        self._lasts = watching.stale_for
        self._now = now
        self._doubt: _Doubt | None = None
        self._dependents: list[Dependent] = []
        self.worked_at = -math.inf
        """When the latest request began that they were good for."""

    def inform(self, dependent: Dependent) -> None:
        """Tell somebody from now on."""
        self._dependents.append(dependent)

    @property
    def doubt(self) -> Exception | None:
        """The latest refusal, as long as nobody knows what it means."""
        return self._doubt.error if self._doubt is not None else None

    @property
    def next_probe_at(self) -> float | None:
        """When one read may go out; None while there is no doubt, or one is out."""
        doubt = self._doubt
        return None if doubt is None or doubt.probing else doubt.next_at

    def worked(self, began: float) -> None:
        """Take note of a success whose request began then."""
        self.worked_at = began
        if self._doubt is not None and began >= self._doubt.refused_at:
            self._doubt = None
            self._tell_changed()

    def refused(self, error: Exception, began: float) -> None:
        """Take note of a refusal of a request that began then."""
        now, doubt = self._now(), self._doubt
        if doubt is None:
            self._doubt = _Doubt(now, error, now, now + self._first)
            self._tell_changed()
            return
        doubt.error = error
        if began < doubt.refused_at:
            return  # sent before anybody knew of the first one: no probe
        doubt.refused_at = now
        doubt.probes += 1
        if doubt.probes >= _PROBES and now >= doubt.since + self._lasts:
            self._doubt = None  # whoever waits from now on has it judged anew
            for one in self._dependents:
                one.credentials_refused(error)
            return
        doubt.next_at = self._next(doubt, now)

    def _next(self, doubt: _Doubt, now: float) -> float:
        pause = min(self._first * 2.0 ** min(doubt.probes, 60), self._longest)
        enough = doubt.since + self._lasts
        return min(now + pause, enough) if now < enough else now + pause

    def admits(self) -> bool:
        """Tell whether a read may go out; in doubt one at a time, which `probed` must follow."""
        doubt = self._doubt
        if doubt is None:
            return True
        if doubt.probing or self._now() < doubt.next_at:
            return False
        doubt.probing = True
        return True

    def probed(self) -> None:
        """Take note that a probe is over, whatever came of it."""
        doubt, now = self._doubt, self._now()
        if doubt is not None and doubt.probing:
            doubt.probing = False
            if doubt.next_at <= now:  # it says nothing of them: a timeout, a 503
                doubt.next_at = now + self._first
            self._tell_changed()

    def _tell_changed(self) -> None:
        for one in self._dependents:
            one.credentials_changed()

"""Names of resources: checked, and resolved to SIDs where they must be compared."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Awaitable, Callable
from typing import Any

from asyncsim.clock import Clock
from asyncsim.errors import AsyncSimError, DecodeError
from asyncsim.kind import Kind, sid_home
from asyncsim.validation import invalid_characters

_MOST_NAMES = 1000
_VALID_FOR = 600.0  # seconds for which a resolved name is cached


def check_name(kind: Kind[Any], name: object) -> str:
    """Return a name that may be used in a path; ValueError for another kind's SID says its kind."""
    if not isinstance(name, str):
        raise TypeError(f"the name of a {kind.noun} must be text, not {type(name).__name__}")
    if kind.is_sid(name):
        return name
    if found := invalid_characters(name):
        raise ValueError(f"{name!r} names no {kind.noun}: it has {found}")
    wanted = f"{kind.sid_prefix} and 32 hex digits"
    # An empty or dotted segment would address another resource: `/v1/Sims/..` is `/v1`.
    if name in ("", ".", ".."):
        raise ValueError(f"{name!r} names no {kind.noun}; pass its SID ({wanted}) or unique name")
    if home := sid_home(name):
        raise ValueError(
            f"{name} is the SID of {home}, not of a {kind.product.label} {kind.noun} ({wanted})"
        )
    if not kind.has_unique_names:
        raise ValueError(f"a {kind.noun} is named by its SID only ({wanted}), not by {name!r}")
    return name


class NameResolver:
    """Unique names resolved to SIDs by a fetch each, and cached for ten minutes.

    Not permanently: a name can be given to another Fleet while a service runs for months.
    """

    def __init__(
        self, kind: Kind[Any], fetch: Callable[[str], Awaitable[Any]], clock: Clock
    ) -> None:
        self.kind = kind
        self._fetch = fetch
        self._clock = clock
        self._sids: dict[str, tuple[float, str]] = {}
        """Name -> end of validity, and the SID."""
        self._failures: dict[str, tuple[int, AsyncSimError]] = {}
        """Name -> the number of the lookup that failed, and its error."""
        self._lookups = 0
        self._lock = asyncio.Lock()

    async def sid_of(self, name: str) -> str:
        """Resolve a name; a SID is returned as it is."""
        if self.kind.is_sid(name):
            return name
        started = self._lookups
        async with self._lock:  # a thousand updates with one Fleet fetch it once
            known = self._sids.get(name)
            if known is not None and known[0] > self._clock.now():
                return known[1]
            number, error = self._failures.get(name, (0, None))
            if error is not None and number > started:  # it failed while this call waited
                raise copy.copy(error)
            return await self._look_up(name)

    async def _look_up(self, name: str) -> str:
        self._failures.pop(name, None)
        try:
            try:
                sid: str = (await self._fetch(name)).sid
            except DecodeError as error:
                # Only the SID is needed, even if the rest of the record is unreadable.
                if error.sid is None or not self.kind.is_sid(error.sid):
                    raise
                sid = error.sid
        except AsyncSimError as error:
            if len(self._failures) >= _MOST_NAMES:
                self._failures.clear()
            self._failures[name] = (self._lookups + 1, error)
            raise
        finally:
            self._lookups += 1
        if len(self._sids) >= _MOST_NAMES:
            self._sids.clear()
        self._sids[name] = (self._clock.now() + _VALID_FOR, sid)
        return sid

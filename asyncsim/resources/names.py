"""Names of resources: checked, encoded, and resolved to SIDs where they must be compared."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import quote

from asyncsim.clock import Clock
from asyncsim.errors import AsyncSimError, DecodeError
from asyncsim.kind import Kind
from asyncsim.validation import invalid_characters, looks_like_sid

# Twilio docs, "What is a String Identifier (SID)?"; where a SID of each prefix belongs.
_HOMES: Mapping[str, str] = {
    "AC": "an account",
    "DE": "a Programmable Wireless Sim (client.wireless.sims)",
    "WP": "a RatePlan (client.wireless.rate_plans)",
    "DC": "a Programmable Wireless Command",
    "WN": "a DataSession",
    "HS": "a Super SIM Sim (client.supersim.sims)",
    "HF": "a Fleet (client.supersim.fleets)",
    "HA": "a NetworkAccessProfile",
    "HW": "a Network",
    "HC": "an SmsCommand",
    "HG": "an IpCommand",
    "HP": "an ESimProfile",
    "HB": "a BillingPeriod",
    "OB": "a SettingsUpdate",
    "AE": "a Monitor Event",
}

_MOST_NAMES = 1000
_GOOD_FOR = 600.0  # seconds for which a resolved name is believed


def check_name(kind: Kind[Any], name: object) -> str:
    """Return a name that may stand in a path; ValueError says where another kind's SID belongs."""
    if not isinstance(name, str):
        raise TypeError(f"a {kind.noun} is named by its SID as text, not by {type(name).__name__}")
    if kind.is_sid(name):
        return name
    if found := invalid_characters(name):
        raise ValueError(f"{name!r} names no {kind.noun}: it has {found}")
    wanted = f"{kind.sid_prefix} and 32 hex digits"
    if name in ("", ".", ".."):
        raise ValueError(f"{name!r} names no {kind.noun}; give its SID ({wanted}) or unique name")
    if looks_like_sid(name) and name[:2] in _HOMES:
        raise ValueError(
            f"{name} is the SID of {_HOMES[name[:2]]}, not of a {kind.product.label} {kind.noun}"
            f" ({wanted})"
        )
    if not kind.named:
        raise ValueError(f"a {kind.noun} is named by its SID only ({wanted}), not by {name!r}")
    return name


def path_of(kind: Kind[Any], name: str | None, parent: str | None = None) -> str:
    """Build the path of a list or of one row; spaces and slashes in unique names are encoded."""
    path = kind.path if parent is None else kind.path.replace("{parent}", quote(parent, safe=""))
    if name is None:
        return path
    plain = name.isalnum() and name.isascii()  # every SID is; `quote` takes longer to see that
    return f"{path}/{name if plain else quote(name, safe='')}"


class Directory:
    """Unique names already resolved to SIDs, each looked up once for a while.

    Not for good: a name can be given to another Fleet while a service runs for months.
    """

    def __init__(
        self, kind: Kind[Any], fetch: Callable[[str], Awaitable[Any]], clock: Clock
    ) -> None:
        self._kind = kind
        self._fetch = fetch
        self._clock = clock
        self._sids: dict[str, tuple[float, str]] = {}
        self._failures: dict[str, tuple[int, AsyncSimError]] = {}
        self._lookups = 0
        self._turn = asyncio.Lock()

    async def sid_of(self, name: str) -> str:
        """Resolve a name; a SID is its own."""
        if self._kind.is_sid(name):
            return name
        came = self._lookups
        async with self._turn:  # a thousand updates with one Fleet ask once
            known = self._sids.get(name)
            if known is None or known[0] <= self._clock.now():
                self._share_failure(name, came)
                await self._look_up(name)
        return self._sids[name][1]

    def _share_failure(self, name: str, came: int) -> None:
        """Raise what a look-up found that ended while the caller waited for its turn."""
        number, error = self._failures.get(name, (0, None))
        if error is not None and number > came:
            raise copy.copy(error)

    async def _look_up(self, name: str) -> None:
        self._failures.pop(name, None)
        try:
            sid = await self._fetched(name)
            if len(self._sids) >= _MOST_NAMES:
                self._sids.clear()
            self._sids[name] = (self._clock.now() + _GOOD_FOR, sid)
        except AsyncSimError as error:
            if len(self._failures) >= _MOST_NAMES:
                self._failures.clear()
            self._failures[name] = (self._lookups + 1, error)
            raise
        finally:
            self._lookups += 1

    async def _fetched(self, name: str) -> str:
        try:
            found: str = (await self._fetch(name)).sid
            return found
        except DecodeError as error:
            # All that is wanted of it is its SID, however odd the rest of it is.
            if error.sid is None or not self._kind.is_sid(error.sid):
                raise
            return error.sid

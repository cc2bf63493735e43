"""A profile is read again when its credentials are rejected: they may have been rotated."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

from asyncsim import ConfigurationError
from asyncsim.cli.output import say
from asyncsim.profiles import Profile, read_profiles

_PAUSE = 10.0  # seconds between two readings: a command may ask a person
_ABSENT: Mapping[str, Mapping[str, Any]] = {
    "twilio": {"auth_token": None, "api_key": None, "api_secret": None},
    "kore": {"webhook_secrets": ()},
}
"""What a field that was removed from a profile means."""


class ProfileReader:
    """Returns the credentials of a profile if they are others than before."""

    def __init__(self, profile: Profile, credentials: Mapping[str, Any]) -> None:
        self._profile = profile
        self._known = dict(credentials)
        self._read_at = time.monotonic()
        self._lock = asyncio.Lock()

    async def __call__(self) -> Mapping[str, Any] | None:
        """Read the profile again, at most every ten seconds; None if nothing has changed."""
        async with self._lock:
            if time.monotonic() - self._read_at < _PAUSE:
                return None
            name = self._profile.name
            try:
                found = await asyncio.to_thread(self._read)
            except ConfigurationError as error:
                say(f"the credentials were rejected, and profile {name} cannot be read: {error}")
                return None
            finally:
                self._read_at = time.monotonic()
            if found == self._known:
                return None
            self._known = found
            say(f"the credentials were rejected; using the new ones of profile {name}")
            return {**_ABSENT[self._profile.vendor], **found}

    def _read(self) -> dict[str, Any]:
        profile = read_profiles().choose(self._profile.name)
        if (profile.vendor, profile.account) != (self._profile.vendor, self._profile.account):
            raise ConfigurationError("it now belongs to another account")
        return profile.credentials()

"""Fleets of Super SIMs."""

from __future__ import annotations

from asyncsim.models.supersim.fleets import FLEETS, Fleet
from asyncsim.resources.resource import Resource


class Fleets(Resource[Fleet]):
    """`client.supersim.fleets`. Source: Twilio docs, "Fleet Resource"."""

    kind = FLEETS

    async def fetch(self, sid: str, /) -> Fleet:
        """Fetch a Fleet by SID or unique name."""
        return await self._fetch(sid)

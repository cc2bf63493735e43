"""Networks that Super SIMs can connect to."""

from __future__ import annotations

from typing import Unpack

from asyncsim.models.supersim.networks import NETWORKS, Network, NetworkFilter
from asyncsim.resources.base import Resource
from asyncsim.resources.call_signatures import spelled_out
from asyncsim.resources.pages import OnBad, Pager


class Networks(Resource[Network]):
    """`client.supersim.networks`.

    Source: Twilio docs, "Network Resource".
    """

    kind = NETWORKS

    async def fetch(self, sid: str, /) -> Network:
        """Fetch a Network by SID."""
        return await self._fetch(sid)

    @spelled_out
    def list(self, *, bad: OnBad = "raise", **filters: Unpack[NetworkFilter]) -> Pager[Network]:
        """List Networks; `Pager` says how to go through them."""
        return self._list(filters, bad)

"""IP addresses of a Super SIM."""

from __future__ import annotations

from typing import Unpack

from asyncsim.context import ClientContext
from asyncsim.models.supersim.ip_addresses import IP_ADDRESSES, IpAddress, IpAddressFilter
from asyncsim.resources.base import Resource, Verbs
from asyncsim.resources.call_signatures import expand_keywords
from asyncsim.resources.pages import OnBad, Pager


class IpAddresses(Verbs[Resource[IpAddress]]):
    """`client.supersim.ip_addresses`.

    Source: Twilio docs, "IpAddress Subresource".
    """

    def __init__(self, context: ClientContext) -> None:
        super().__init__(Resource(context, IP_ADDRESSES))

    @expand_keywords
    def list(
        self,
        sim: str,
        /,
        *,
        limit: int | None = None,
        bad: OnBad = "raise",
        **filters: Unpack[IpAddressFilter],
    ) -> Pager[IpAddress]:
        """List a SIM's current addresses; see `Pager` for iteration."""
        return self.resource.list(filters, bad, limit, parent=sim)

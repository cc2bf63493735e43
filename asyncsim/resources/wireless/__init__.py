"""Programmable Wireless."""

from __future__ import annotations

from asyncsim.connection import Connection
from asyncsim.resources.wireless.rate_plans import RatePlans
from asyncsim.resources.wireless.sims import Sims


class Wireless:
    """`client.wireless`."""

    def __init__(self, connection: Connection) -> None:
        self.sims = Sims(connection)
        self.rate_plans = RatePlans(connection)

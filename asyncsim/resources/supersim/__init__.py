"""Super SIM."""

from __future__ import annotations

from asyncsim.connection import Connection
from asyncsim.resources.supersim.fleets import Fleets
from asyncsim.resources.supersim.sims import Sims


class SuperSim:
    """`client.supersim`."""

    def __init__(self, connection: Connection) -> None:
        self.sims = Sims(connection)
        self.fleets = Fleets(connection)

"""The vendors' SIM APIs on this machine: real HTTP, no account, no network.

::

    async with Emulator(sims=500, faults=Faults(rate_limited=0.02)) as emulator:
        async with emulator.client() as client: ...
"""

from asyncsim.emulator.embedded import Emulator
from asyncsim.emulator.exchange import RequestRecord
from asyncsim.emulator.faults import Faults
from asyncsim.emulator.latency import Latency
from asyncsim.emulator.letters import Delivery
from asyncsim.emulator.settings import Behaviour
from asyncsim.emulator.world import Card, World

__all__ = [
    "Behaviour",
    "Card",
    "Delivery",
    "Emulator",
    "Faults",
    "Latency",
    "RequestRecord",
    "World",
]

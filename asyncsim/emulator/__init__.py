"""Emulator of both vendors' SIM APIs on this machine: real HTTP, no account, no network.

::

    async with Emulator(sims=500, faults=Faults(rate_limited=0.02)) as emulator:
        async with emulator.client() as client: ...
"""

from asyncsim.emulator.callbacks import Delivery
from asyncsim.emulator.emulator import Emulator
from asyncsim.emulator.request_log import RequestRecord
from asyncsim.emulator.settings import Behaviour, Faults, Latency
from asyncsim.emulator.threaded import ThreadedEmulator
from asyncsim.emulator.world import Card, World

__all__ = [
    "Behaviour",
    "Card",
    "Delivery",
    "Emulator",
    "Faults",
    "Latency",
    "RequestRecord",
    "ThreadedEmulator",
    "World",
]

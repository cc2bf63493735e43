"""The settings in force; tests change them while the emulator runs."""

from __future__ import annotations

from asyncsim.emulator.faults import Dice, Faults
from asyncsim.emulator.latency import Latency
from asyncsim.emulator.settings import Behaviour


class Conditions:
    """Behaviour, latency and faults at this moment."""

    def __init__(
        self, behaviour: Behaviour, latency: Latency, faults: Faults, *, speed: float, seed: int
    ) -> None:
        self.behaviour = behaviour
        self.latency = latency
        self.speed = speed
        self.seed = seed
        self.dice = Dice(faults)

    @property
    def faults(self) -> Faults:
        """What goes wrong; setting it starts its dice anew."""
        return self.dice.faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        self.dice = Dice(faults)

    def strikes(self, fault: str) -> bool:
        """Tell whether a fault strikes this time."""
        return self.dice.strikes(fault)

    def transition(self, sid: str, number: int) -> float:
        """Seconds of a SIM's n-th change."""
        return self.latency.of_transition(self.seed, sid, number) / self.speed

    def takes(self, latency: str) -> float:
        """Seconds of another latency, by its name."""
        seconds: float = getattr(self.latency, latency)
        return seconds / self.speed

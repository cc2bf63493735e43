"""What can go wrong on purpose, and the dice that decide when."""

from __future__ import annotations

import random
from typing import Any

from attrs import Attribute, field, frozen

from asyncsim.emulator.latency import is_number, seconds


def _chance(default: float = 0.0) -> float:
    """A field that holds a probability."""

    def check(instance: object, attribute: Attribute[float], value: Any) -> None:
        if not is_number(value) or not 0.0 <= value <= 1.0:
            raise ValueError(f"{attribute.name} is a probability, from 0 to 1, not {value!r}")

    return field(default=default, validator=check)


def _check_whole(instance: object, attribute: Attribute[Any], value: Any) -> None:
    least = 1 if attribute.name == "concurrency" else None
    if value is None and least is not None:
        return
    if not isinstance(value, int) or isinstance(value, bool) or (least and value < least):
        bound = f" of at least {least}" if least else ""
        raise ValueError(f"{attribute.name} is a whole number{bound}, not {value!r}")


def _check_retry_after(instance: object, attribute: Attribute[Any], value: Any) -> None:
    # Any finite number: zero, negative and absurd ones are what a client must withstand.
    if value is not None and not is_number(value):
        raise ValueError(f"{attribute.name} is a number of seconds, not {value!r}")


@frozen(kw_only=True)
class Faults:
    """Probabilities from 0 to 1, and limits. None of it happens by default.

    Each kind of fault draws from its own generator, so turning one on leaves the others as
    they were.
    """

    seed: int = field(default=0, validator=_check_whole)
    rate_limited: float = _chance()
    """Chance that a request is refused with 429 and not processed."""
    concurrency: int | None = field(default=None, validator=_check_whole)
    """Requests in flight that an account may have; one more is refused with 429."""
    retry_after: float | None = field(default=None, validator=_check_retry_after)
    """Seconds in the `Retry-After` header of a 429; None sends no such header."""
    server_errors: float = _chance()
    """Chance of a 5xx answer."""
    dropped: float = _chance()
    """Chance that the connection is closed instead of an answer."""
    share_processed: float = _chance(0.5)
    """How many of the server errors and drops strike after the request was carried out."""
    answer_takes: float = seconds(0.0)
    """Seconds every answer takes, holding its place in the concurrency limit."""
    slow: float = _chance()
    """Chance that an answer takes `slow_seconds` more; the request is carried out at once."""
    slow_seconds: float = seconds(5.0)
    lost_callbacks: float = _chance()
    """Chance that a callback is never sent."""
    late_callbacks: float = _chance()
    """Chance that a callback is sent `late_seconds` later, so perhaps out of order."""
    late_seconds: float = seconds(30.0)
    doubled_callbacks: float = _chance()
    """Chance that a callback is sent twice, with the same idempotency token."""
    failing_updates: float = _chance()
    """Chance that an accepted change fails and the SIM goes back to what it was."""
    failing_commands: float = _chance()
    """Chance that a Command fails instead of being sent."""
    failing_reservations: float = _chance()
    """Chance that no eSIM profile is left (error 83500)."""


class Dice:
    """Draws for one `Faults`."""

    def __init__(self, faults: Faults) -> None:
        self.faults = faults
        self._generators: dict[str, random.Random] = {}

    def strikes(self, name: str) -> bool:
        """Tell whether the fault of that name strikes this time."""
        chance: float = getattr(self.faults, name)
        if chance <= 0.0:
            return False
        generator = self._generators.get(name)
        if generator is None:
            generator = random.Random(f"{self.faults.seed}:{name}")  # noqa: S311
            self._generators[name] = generator
        return generator.random() < chance

"""What happens in one world, drawn from its seed."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any, Literal

from attrs import evolve, field, frozen

from tests.simulation.edge import CALM, Weather

Work = Literal["job", "texts", "registers", "deletes", "many", "waits", "creates"]
"""A job of changes, of texts, of registrations, of deletions; the rest without a journal."""
JOBS = frozenset({"job", "texts", "registers", "deletes"})
CALM_AT = 240.0
"""Seconds; from then on nothing goes wrong any more, and everything must come to its end."""

_SHARES: Mapping[Work, int] = {
    "job": 6,
    "texts": 2,
    "registers": 1,
    "deletes": 1,
    "many": 4,
    "waits": 4,
    "creates": 1,
}
_FAIR = 0.2
"""Share of worlds in which nothing stands in the way of a request."""

# What may be asked of SIMs, from which status, one wish after the other.
_Asked = tuple[tuple[str, tuple[str, ...]], ...]
_SUPERSIM: _Asked = (
    ("new", ("active",)),
    ("new", ("ready",)),
    ("active", ("inactive",)),
    ("inactive", ("active",)),
    ("ready", ("inactive",)),
    ("active", ("inactive", "active", "inactive")),
    ("new", ("active", "inactive", "active")),
)
_WIRELESS: _Asked = (
    ("new", ("active",)),
    ("active", ("suspended",)),
    ("suspended", ("active",)),
    ("ready", ("suspended",)),
    ("active", ("suspended", "active", "suspended")),
)


@frozen(kw_only=True)
class Scenario:
    """One world, before it begins."""

    seed: int
    vendor: Literal["twilio", "kore"]
    product: Literal["supersim", "wireless"]
    work: Work
    sims: int
    start: str
    wishes: tuple[Mapping[str, Any], ...]
    """Changes of each SIM, one after the other."""
    timeout: float
    listens: bool
    asks_by_get: bool
    """KORE's callbacks come as GET, of which nothing is signed."""
    sweep_from: int
    deaths: int
    """Kills of the client's process."""
    vendor_deaths: int
    partitions: int
    resets: int
    expiries: int
    """Times that all access tokens become worthless."""
    colleague: int
    """Changes by somebody else."""
    forged: float
    """Share of changes for which somebody forges callbacks."""
    kept_back: float
    """Share of callbacks that come when the same is asked once more."""
    second: bool
    """A second process tries to run the same job."""
    latency: tuple[float, float]
    disorder: float
    skew: float
    weather: Weather
    faults: Mapping[str, Any] = field(factory=dict)
    transition: float
    behaviour: Mapping[str, Any] = field(factory=dict)

    @property
    def fair(self) -> bool:
        """Whether nothing stands in the way of any request."""
        troubles = (self.deaths, self.vendor_deaths, self.partitions, self.resets, self.expiries)
        refused = self.faults.get("rate_limited") or self.faults.get("concurrency")
        slow = self.faults.get("slow") or self.latency[1] > 0.05
        calm = evolve(self.weather, late=0.0) == CALM
        return calm and not (any(troubles) or refused or slow or self.second)


def draw(seed: int) -> Scenario:
    """Draw a world from its seed."""
    dice = random.Random(f"scenario {seed}")
    vendor: Any = dice.choice(("twilio", "twilio", "kore"))
    product: Any = dice.choice(("supersim", "supersim", "wireless"))
    work: Any = dice.choices((*_SHARES,), (*_SHARES.values(),))[0]
    product = {"registers": "supersim", "deletes": "wireless"}.get(work, product)
    start, statuses = _asked(dice, product, work)
    follows = len(statuses) > 1
    listens = dice.random() < 0.6
    fair = dice.random() < _FAIR
    scenario = Scenario(
        seed=seed,
        vendor=vendor,
        product=product,
        work=work,
        sims=dice.choice((1, 2, 3, 4, 6, 9, 14)),
        start=start,
        wishes=tuple(_wish(dice, product, start, status) for status in statuses),
        timeout=dice.choice((40.0, 90.0, 150.0)),
        listens=listens,
        asks_by_get=listens and vendor == "kore" and dice.random() < 0.5,
        sweep_from=dice.choice((2, 4, 25)),
        deaths=dice.choice((1, 1, 2, 3, 5)) if dice.random() < 0.7 else 0,
        vendor_deaths=dice.choice((0, 0, 0, 1, 2)),
        partitions=dice.choice((0, 0, 1, 2)),
        resets=dice.choice((0, 0, 1, 3)),
        expiries=dice.choice((0, 0, 1, 4)) if vendor == "kore" else 0,
        colleague=dice.choice((0, 0, 0, 1, 3)) if statuses else 0,
        forged=_rarely(dice, 0.4, 1.0) if listens else 0.0,
        kept_back=_rarely(dice, 0.4, 0.8) if listens and not fair else 0.0,
        second=work in ("job", "texts") and dice.random() < 0.25,
        latency=dice.choice(((0.0005, 0.01), (0.01, 0.2), (0.0, 1.0))),
        disorder=dice.choice((0.0, 0.02, 0.2, 1.0)),
        skew=dice.choice((0.0, 0.0, -3600.0, 40.0, 86400.0)),
        weather=_weather(dice),
        faults=_faults(dice),
        transition=dice.choice((0.01, 2.0, 8.0, 8.0, 20.0, 60.0)),
        behaviour=_behaviour(dice),
    )
    if fair:
        return _in_fair_weather(scenario)
    if follows:
        # A request that arrives after its wish was given up would change what the next one wanted,
        # and nobody could have prevented it.
        held = evolve(scenario.weather, held=0.0)
        return evolve(scenario, partitions=0, colleague=0, weather=held)
    return scenario


def _asked(dice: random.Random, product: str, work: str) -> tuple[str, tuple[str, ...]]:
    """The status in which all SIMs begin, and those which they are to have, one after another."""
    known = _SUPERSIM if product == "supersim" else _WIRELESS
    if work in ("many", "waits") and dice.random() < 0.4:
        known = tuple(one for one in known if len(one[1]) > 1)
    start, statuses = dice.choice(known)
    if work in ("texts", "creates"):
        return "active", ()
    if work in ("registers", "deletes"):
        return "new", ()
    return start, statuses[:1] if work == "job" else statuses


def _wish(dice: random.Random, product: str, start: str, status: str) -> Mapping[str, Any]:
    """A status, and sometimes a Fleet or RatePlan in the same request."""
    wish: dict[str, Any] = {"status": status}
    if status == "active" and start in ("new", "inactive") and dice.random() < 0.3:
        wish["fleet" if product == "supersim" else "rate_plan"] = "other"
    return wish


def _rarely(dice: random.Random, chance: float, most: float) -> float:
    """Nothing, mostly; sometimes a chance of up to `most`."""
    return dice.uniform(0.0, most) if dice.random() < chance else 0.0


def _weather(dice: random.Random) -> Weather:
    return Weather(
        lost=_rarely(dice, 0.4, 0.15),
        cut=_rarely(dice, 0.5, 0.2),
        torn=_rarely(dice, 0.3, 0.1),
        gateway=_rarely(dice, 0.4, 0.15),
        page=_rarely(dice, 0.3, 0.1),
        old=_rarely(dice, 0.4, 0.5),
        held=_rarely(dice, 0.3, 0.3),
        late=_rarely(dice, 0.5, 0.5),
    )


def _faults(dice: random.Random) -> Mapping[str, Any]:
    """What the emulator can do wrong by itself."""
    return {
        "rate_limited": _rarely(dice, 0.4, 0.3),
        "concurrency": dice.choice((None, None, 1, 3)),
        "retry_after": dice.choice((None, None, 1.0)),
        "slow": _rarely(dice, 0.3, 0.2),
        "slow_seconds": dice.uniform(1.0, 12.0),
        "lost_callbacks": _rarely(dice, 0.4, 0.6),
        "late_callbacks": _rarely(dice, 0.4, 0.6),
        "late_seconds": dice.choice((3.0, 30.0, 45.0)),
        "doubled_callbacks": _rarely(dice, 0.3, 0.6),
        "failing_updates": _rarely(dice, 0.3, 0.4),
        "failing_commands": _rarely(dice, 0.3, 0.4),
    }


def _behaviour(dice: random.Random) -> Mapping[str, Any]:
    """What the documents leave open."""
    pending = (("updating",), ("scheduled",), ("scheduled", "updating"))
    return {
        "date_updated_moves_on_settle": dice.random() < 0.7,
        "wireless_pending": dice.choice(pending),
        "callback_on_sync_update": dice.random() < 0.3,
    }


def _in_fair_weather(scenario: Scenario) -> Scenario:
    """The same world with nothing in the way of a request: all must be known soon there.

    In half of such worlds each callback comes too, often before the response to its own request.
    """
    callbacks = ("lost_callbacks", "late_callbacks", "late_seconds", "doubled_callbacks")
    kept = ("failing_updates", *callbacks)
    prompt = scenario.seed % 2 == 0
    return evolve(
        scenario,
        deaths=0,
        vendor_deaths=0,
        partitions=0,
        resets=0,
        expiries=0,
        colleague=0,
        second=False,
        forged=0.0 if prompt else scenario.forged,
        latency=(0.0005, 0.01),
        weather=Weather(late=0.6 if prompt else 0.0),
        faults={name: scenario.faults[name] for name in (kept[:1] if prompt else kept)},
        transition=0.01 if prompt and scenario.listens else scenario.transition,
    )

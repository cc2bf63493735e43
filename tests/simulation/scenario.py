"""Scenario of one world, drawn from its seed."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any, Literal

from attrs import evolve, field, frozen

from tests.simulation.gateway import NO_FAULTS, GatewayFaults

Work = Literal["job", "texts", "registers", "deletes", "many", "waits", "creates"]
"""A job of changes, of texts, of registrations, of deletions; the rest without a journal."""
JOBS = frozenset({"job", "texts", "registers", "deletes"})
FAULTS_END_AT = 240.0
"""Seconds after which there are no more faults, and all work must come to its end."""

_SHARES: Mapping[Work, int] = {
    "job": 6,
    "texts": 2,
    "registers": 1,
    "deletes": 1,
    "many": 4,
    "waits": 4,
    "creates": 1,
}
_UNHINDERED = 0.2
"""Share of worlds in which no fault hits a request."""

# What may be asked of SIMs, from which status, one goal after the other.
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
    """Everything that the seed determines."""

    seed: int
    vendor: Literal["twilio", "kore"]
    product: Literal["supersim", "wireless"]
    work: Work
    sims: int
    start: str
    goals: tuple[Mapping[str, Any], ...]
    """Changes of each SIM, one after the other."""
    timeout: float
    has_receiver: bool
    callbacks_by_get: bool
    """KORE's callbacks come by GET, which is not signed."""
    sweep_from: int
    kills: int
    """Kills of the client's process."""
    vendor_kills: int
    partitions: int
    resets: int
    expiries: int
    """How often all access tokens are voided."""
    other_user_changes: int
    """Changes by another user."""
    forged_callbacks: float
    """Share of changes for which callbacks are forged."""
    held_callbacks: float
    """Share of callbacks that are held until the same status is requested once more."""
    second: bool
    """Whether a second process tries to run the same job."""
    latency: tuple[float, float]
    disorder: float
    skew: float
    gateway_faults: GatewayFaults
    faults: Mapping[str, Any] = field(factory=dict)
    transition: float
    behaviour: Mapping[str, Any] = field(factory=dict)

    @property
    def unhindered(self) -> bool:
        """Whether no fault hits any request."""
        troubles = (self.kills, self.vendor_kills, self.partitions, self.resets, self.expiries)
        refused = self.faults.get("rate_limited") or self.faults.get("concurrency")
        slow = self.faults.get("slow") or self.latency[1] > 0.05
        faultless = evolve(self.gateway_faults, late=0.0) == NO_FAULTS
        return faultless and not (any(troubles) or refused or slow or self.second)


def draw(seed: int) -> Scenario:
    """Draw a world from its seed."""
    rng = random.Random(f"scenario {seed}")
    vendor: Any = rng.choice(("twilio", "twilio", "kore"))
    product: Any = rng.choice(("supersim", "supersim", "wireless"))
    work: Any = rng.choices((*_SHARES,), (*_SHARES.values(),))[0]
    product = {"registers": "supersim", "deletes": "wireless"}.get(work, product)
    start, statuses = _asked(rng, product, work)
    follows = len(statuses) > 1
    has_receiver = rng.random() < 0.6
    unhindered = rng.random() < _UNHINDERED
    scenario = Scenario(
        seed=seed,
        vendor=vendor,
        product=product,
        work=work,
        sims=rng.choice((1, 2, 3, 4, 6, 9, 14)),
        start=start,
        goals=tuple(_make_goals(rng, product, start, status) for status in statuses),
        timeout=rng.choice((40.0, 90.0, 150.0)),
        has_receiver=has_receiver,
        callbacks_by_get=has_receiver and vendor == "kore" and rng.random() < 0.5,
        sweep_from=rng.choice((2, 4, 25)),
        kills=rng.choice((1, 1, 2, 3, 5)) if rng.random() < 0.7 else 0,
        vendor_kills=rng.choice((0, 0, 0, 1, 2)),
        partitions=rng.choice((0, 0, 1, 2)),
        resets=rng.choice((0, 0, 1, 3)),
        expiries=rng.choice((0, 0, 1, 4)) if vendor == "kore" else 0,
        other_user_changes=rng.choice((0, 0, 0, 1, 3)) if statuses else 0,
        forged_callbacks=_rarely(rng, 0.4, 1.0) if has_receiver else 0.0,
        held_callbacks=_rarely(rng, 0.4, 0.8) if has_receiver and not unhindered else 0.0,
        second=work in ("job", "texts") and rng.random() < 0.25,
        latency=rng.choice(((0.0005, 0.01), (0.01, 0.2), (0.0, 1.0))),
        disorder=rng.choice((0.0, 0.02, 0.2, 1.0)),
        skew=rng.choice((0.0, 0.0, -3600.0, 40.0, 86400.0)),
        gateway_faults=_gateway_faults(rng),
        faults=_faults(rng),
        transition=rng.choice((0.01, 2.0, 8.0, 8.0, 20.0, 60.0)),
        behaviour=_behaviour(rng),
    )
    if unhindered:
        return _unhindered(scenario)
    if follows:
        # A request that arrives after its goal was given up would undo the next goal, and no client
        # could prevent that.
        held = evolve(scenario.gateway_faults, held=0.0)
        return evolve(scenario, partitions=0, other_user_changes=0, gateway_faults=held)
    return scenario


def _asked(rng: random.Random, product: str, work: str) -> tuple[str, tuple[str, ...]]:
    """The first status of all SIMs, and the statuses to request, one after the other."""
    known = _SUPERSIM if product == "supersim" else _WIRELESS
    if work in ("many", "waits") and rng.random() < 0.4:
        known = tuple(one for one in known if len(one[1]) > 1)
    start, statuses = rng.choice(known)
    if work in ("texts", "creates"):
        return "active", ()
    if work in ("registers", "deletes"):
        return "new", ()
    return start, statuses[:1] if work == "job" else statuses


def _make_goals(rng: random.Random, product: str, start: str, status: str) -> Mapping[str, Any]:
    """A status, and sometimes a Fleet or RatePlan in the same request."""
    goal: dict[str, Any] = {"status": status}
    if status == "active" and start in ("new", "inactive") and rng.random() < 0.3:
        goal["fleet" if product == "supersim" else "rate_plan"] = "other"
    return goal


def _rarely(rng: random.Random, chance: float, most: float) -> float:
    """Mostly 0; sometimes a probability of up to `most`."""
    return rng.uniform(0.0, most) if rng.random() < chance else 0.0


def _gateway_faults(rng: random.Random) -> GatewayFaults:
    return GatewayFaults(
        lost=_rarely(rng, 0.4, 0.15),
        cut=_rarely(rng, 0.5, 0.2),
        torn=_rarely(rng, 0.3, 0.1),
        gateway=_rarely(rng, 0.4, 0.15),
        page=_rarely(rng, 0.3, 0.1),
        old=_rarely(rng, 0.4, 0.5),
        held=_rarely(rng, 0.3, 0.3),
        late=_rarely(rng, 0.5, 0.5),
    )


def _faults(rng: random.Random) -> Mapping[str, Any]:
    """The emulator's own faults."""
    return {
        "rate_limited": _rarely(rng, 0.4, 0.3),
        "concurrency": rng.choice((None, None, 1, 3)),
        "retry_after": rng.choice((None, None, 1.0)),
        "slow": _rarely(rng, 0.3, 0.2),
        "slow_seconds": rng.uniform(1.0, 12.0),
        "lost_callbacks": _rarely(rng, 0.4, 0.6),
        "late_callbacks": _rarely(rng, 0.4, 0.6),
        "late_seconds": rng.choice((3.0, 30.0, 45.0)),
        "doubled_callbacks": _rarely(rng, 0.3, 0.6),
        "failing_updates": _rarely(rng, 0.3, 0.4),
        "failing_commands": _rarely(rng, 0.3, 0.4),
    }


def _behaviour(rng: random.Random) -> Mapping[str, Any]:
    """Settings for what the documents leave open."""
    pending = (("updating",), ("scheduled",), ("scheduled", "updating"))
    return {
        "date_updated_moves_on_settle": rng.random() < 0.7,
        "wireless_pending": rng.choice(pending),
        "callback_on_sync_update": rng.random() < 0.3,
    }


def _unhindered(scenario: Scenario) -> Scenario:
    """The same world without faults in the way of a request: waiters must be notified soon.

    In half of such worlds each callback comes too, often before the response to its own request.
    """
    callbacks = ("lost_callbacks", "late_callbacks", "late_seconds", "doubled_callbacks")
    kept = ("failing_updates", *callbacks)
    prompt = scenario.seed % 2 == 0
    return evolve(
        scenario,
        kills=0,
        vendor_kills=0,
        partitions=0,
        resets=0,
        expiries=0,
        other_user_changes=0,
        second=False,
        forged_callbacks=0.0 if prompt else scenario.forged_callbacks,
        latency=(0.0005, 0.01),
        gateway_faults=GatewayFaults(late=0.6 if prompt else 0.0),
        faults={name: scenario.faults[name] for name in (kept[:1] if prompt else kept)},
        transition=0.01 if prompt and scenario.has_receiver else scenario.transition,
    )

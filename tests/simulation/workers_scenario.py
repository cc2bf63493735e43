"""Scenario of a world with two workers on one shared job, drawn from its seed."""

from __future__ import annotations

import random
from typing import Any

from attrs import evolve, frozen

from tests.simulation.gateway import GatewayFaults
from tests.simulation.scenario import Scenario, draw

FIRST_SEED = 1_000_001
"""Seeds from here on are worlds of workers."""
WORKERS = ("worker-1", "worker-2")
_LATE_REPLIES = 0.2
"""Share of worlds in which replies of the database are late, and there is no other trouble."""


@frozen(kw_only=True)
class Link:
    """What happens between a worker and the database."""

    latency: tuple[float, float]
    """Seconds in each direction, from and to."""
    cut: float
    """Probability that a transaction is never begun, because the connection is lost."""
    reply_lost: float
    """Probability that the connection is lost after the commit."""


@frozen(kw_only=True)
class WorkersScenario:
    """What the seed determines of such a world, beside what it determines of any."""

    base: Scenario
    chunk_rows: int
    chunks_at_once: int
    link: Link
    skews: tuple[float, float]
    """How far the calendar of each worker is wrong, in seconds."""
    kills: int
    freezes: int
    """How often a worker stands still, timers and all, and then goes on."""
    partitions: int
    """How often a worker is cut off from the database, but not from the vendor."""
    lags: int
    """How often replies of the database to a worker take seconds."""
    submitter_dies: int | None
    """Steps of the event loop from the hand-over until the submitter is killed; None: it lives."""

    @property
    def late_replies_only(self) -> bool:
        """Whether late replies of the database are the only trouble of its workers."""
        return bool(self.lags) and not (self.kills or self.freezes or self.partitions)


def draw_workers(seed: int) -> WorkersScenario:
    """Draw a world of two workers from its seed."""
    rng = random.Random(f"workers {seed}")
    texts = rng.random() < 0.3
    product: Any = rng.choice(("supersim", "supersim", "wireless"))
    start, status = ("active", "inactive") if product == "supersim" else ("active", "suspended")
    base = evolve(
        draw(seed),
        product=product,
        work="texts" if texts else "job",
        sims=rng.choice((4, 6, 9, 14)),
        start=start,
        goals=() if texts else ({"status": status},),
        timeout=600.0,
        has_receiver=False,
        kills=0,
        vendor_kills=0,
        partitions=0,
        resets=0,
        expiries=0,
        other_user_changes=0,
        forged_callbacks=0.0,
        held_callbacks=0.0,
        second=False,
        latency=rng.choice(((0.0005, 0.01), (0.01, 0.1))),
        transition=rng.choice((0.01, 2.0, 8.0)),
        gateway_faults=_gateway_faults(rng),
        faults=_faults(rng),
    )
    scenario = WorkersScenario(
        base=base,
        chunk_rows=rng.choice((2, 3, 5, 9)),
        chunks_at_once=rng.choice((1, 2, 2)),
        link=Link(
            latency=rng.choice(((0.0, 0.002), (0.001, 0.05), (0.01, 0.4))),
            cut=_rarely(rng, 0.4, 0.1),
            reply_lost=_rarely(rng, 0.5, 0.1),
        ),
        skews=(rng.choice((0.0, -3600.0, 40.0)), rng.choice((0.0, 7200.0, -9.0))),
        kills=rng.choice((0, 0, 1, 2)),
        freezes=rng.choice((0, 1, 1, 2)),
        partitions=rng.choice((0, 1, 1, 2)),
        lags=rng.choice((0, 1, 1, 2)),
        # Drawn apart, so that all other worlds stay as they were.
        submitter_dies=random.Random(f"submitter {seed}").choice((None, None, 0, 1, 5, 20)),
    )
    return _of_late_replies(scenario, rng) if rng.random() < _LATE_REPLIES else scenario


def _of_late_replies(scenario: WorkersScenario, rng: random.Random) -> WorkersScenario:
    """The same world with late replies of the database, while many requests wait for the vendor."""
    faults = {"concurrency": 1, "answer_takes": rng.choice((1.0, 2.0))}
    return evolve(
        scenario,
        base=evolve(scenario.base, sims=14, faults={**scenario.base.faults, **faults}),
        chunk_rows=9,
        chunks_at_once=2,
        kills=0,
        freezes=0,
        partitions=0,
        lags=3,
    )


def _rarely(rng: random.Random, chance: float, most: float) -> float:
    return rng.uniform(0.0, most) if rng.random() < chance else 0.0


def _gateway_faults(rng: random.Random) -> GatewayFaults:
    """Without `held` and `old`.

    A request that the network delivers after its sender's lease, and a read that shows the past,
    make a second request necessary for all that any client can know.
    """
    return GatewayFaults(
        lost=_rarely(rng, 0.3, 0.1),
        cut=_rarely(rng, 0.4, 0.15),
        torn=_rarely(rng, 0.2, 0.1),
        gateway=_rarely(rng, 0.2, 0.1),
        late=_rarely(rng, 0.4, 0.5),
    )


def _faults(rng: random.Random) -> dict[str, Any]:
    """The emulator's own faults; slow responses make a job last long enough to be disturbed."""
    return {
        "rate_limited": _rarely(rng, 0.3, 0.2),
        "concurrency": rng.choice((None, 1, 1, 2)),
        "answer_takes": rng.choice((0.1, 0.8, 2.0, 3.0)),
        "failing_updates": _rarely(rng, 0.2, 0.3),
    }

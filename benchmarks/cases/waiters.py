"""What a pending wait weighs, and what adding, settling and cancelling one takes."""

from __future__ import annotations

from attrs import asdict

from benchmarks.result import Result, Table, Target
from benchmarks.simulated.crowd import Steps, steps, weigh
from benchmarks.simulated.loop import simulate

_WEIGHED = 100_000
_NUMBERS = {1000: 20, 10_000: 5, 100_000: 3, 1_000_000: 1}  # waits -> repeats, the best counts
_STEPS = ("add", "settle", "cancel")


def _steps(number: int, repeats: int) -> Steps:
    all_of = [simulate(steps(number)) for _ in range(repeats)]
    best = {step: min(getattr(one, step) for one in all_of) for step in _STEPS}
    return Steps(waits=number, **best)


def measure() -> Result:
    """Weigh, and time."""
    lean = simulate(weigh(_WEIGHED, lean=True))
    full = simulate(weigh(_WEIGHED, lean=False))
    found = [_steps(number, repeats) for number, repeats in _NUMBERS.items()]
    first, last = found[0], found[-1]
    growth = [
        Target(
            what=f"to {step} one of 1,000,000, against one of 1,000",
            measured=getattr(last, step) / getattr(first, step),
            bound=2.5,  # a logarithm doubles; what grows beyond that are the misses of caches
            spread="best of some",
        )
        for step in _STEPS
    ]
    rows = [
        (f"{one.waits:,}", *(f"{getattr(one, step) * 1e6:.1f}" for step in _STEPS)) for one in found
    ]
    return Result(
        name="waiters",
        question="How small is a waiter, and do its steps stay cheap with a million of them?",
        targets=[
            Target(
                what="bytes beyond the SID of a pending wait, of 100,000",
                measured=lean,
                bound=256,
                spread="counted",
            ),
            *growth,
        ],
        tables=[Table(title="Microseconds", head=("waits", *_STEPS), rows=rows)],
        notes=(f"One that keeps the record its POST was answered with weighs {full:.0f} bytes.",),
        samples={"lean": lean, "full": full, "steps": [asdict(one) for one in found]},
    )

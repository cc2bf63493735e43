"""Memory of a pending wait, and the cost of adding, settling and cancelling one."""

from __future__ import annotations

from pathlib import Path

from attrs import asdict

from benchmarks.live.memory import weights
from benchmarks.plots import grouped_bars
from benchmarks.result import Result, Table, Target
from benchmarks.rounds import Spread
from benchmarks.simulated.loop import simulate
from benchmarks.simulated.waits import Steps, steps, weigh

_WEIGHED = 100_000
_LIVE = 6_000  # fills tables of Python's dictionaries as far as 100,000 do
_NUMBERS = {
    1000: 20,
    10_000: 3,
    100_000: 2,
    1_000_000: 1,
}  # waits: repeats, of which the best counts
_STEPS = ("add", "settle", "cancel")


def _steps(number: int, repeats: int) -> Steps:
    all_of = [simulate(steps(number)) for _ in range(repeats)]
    best = {step: min(getattr(one, step) for one in all_of) for step in _STEPS}
    return Steps(waits=number, **best)


def measure() -> Result:
    """Measure memory and time."""
    lean = simulate(weigh(_WEIGHED, drops_records=True))
    full = simulate(weigh(_WEIGHED // 10, drops_records=False))
    found = [_steps(number, repeats) for number, repeats in _NUMBERS.items()]
    first, last = found[0], found[-1]
    real = weights(_LIVE)
    growth = [
        Target(
            what=f"to {step} one of 1,000,000, against one of 1,000",
            measured=getattr(last, step) / getattr(first, step),
            bound=2.5,  # a logarithm doubles; growth beyond that is cache misses
            spread="best of some",
        )
        for step in _STEPS
    ]
    rows = [
        (f"{one.waits:,}", *(f"{getattr(one, step) * 1e6:.1f}" for step in _STEPS)) for one in found
    ]
    return Result(
        name="waiters",
        question="How much memory does a wait take, and are its steps cheap among a million?",
        targets=[
            Target(
                what="bytes beyond the SID of a pending wait, of 100,000",
                measured=lean,
                bound=640,
                spread="counted",
            ),
            *(
                Target(
                    what=f"the same of {name} at sockets, from {_LIVE // 2:,} to {_LIVE:,}",
                    measured=real[name],
                    bound=640,
                    spread="all memory traced",
                )
                for name in ("update_many", "a job")
            ),
            *growth,
        ],
        tables=[
            Table(title="Microseconds", head=("waits", *_STEPS), rows=rows),
            Table(
                title=f"Bytes beyond the SID, at sockets, from {_LIVE // 2:,} to {_LIVE:,}",
                head=("how", "bytes"),
                rows=[(name, f"{weight:.0f}") for name, weight in real.items()],
            ),
        ],
        notes=(
            f"With the record of its POST's response a wait takes {full:.0f} bytes, for a"
            " record with only its SID, status and date.",
            "At sockets a vendor in another process never finishes. All of Python's allocations"
            " are traced; connections, caches and modules stay the same, so the figure is"
            " what each further SIM adds. The journal's rows are in its file.",
            "With callbacks each wait keeps its nonce, and `update_many` keeps the whole record,"
            " because a signed callback is accepted without a read and an outcome has a record.",
        ),
        samples={"lean": lean, "full": full, "real": real, "steps": [asdict(one) for one in found]},
    )


def plot(result: Result, path: Path) -> None:
    """Draw the time of each step by the number of waits."""
    groups = {
        f"{one['waits']:,}": {step: Spread.of([one[step] * 1e6]) for step in _STEPS}
        for one in result.samples["steps"]
    }
    grouped_bars(groups, "µs of processor time", path)

"""Four processes on one account, whose limit in PostgreSQL they share: time, 429s, fairness."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from attrs import asdict, frozen

from asyncsim.clock import SYSTEM_CLOCK
from asyncsim.core.settings import Throttle
from asyncsim.core.shared_limit import LimitReport
from asyncsim.http.limiter import ConcurrencyLimiter
from benchmarks.database import cpu
from benchmarks.live.account import Pace
from benchmarks.live.process import counts, serving
from benchmarks.plots import grouped_bars
from benchmarks.result import Result, Table, Target
from benchmarks.rounds import Spread
from benchmarks.simulated.limiter import bound_of

_PROCESSES = 4
_SEEDS = range(1, 6)
_TAKES = 0.4
"""Seconds of a request at sockets: four clients and the vendor share two processors."""
_PHASES = [(0.0, 100), (8.0, 20), (20.0, 100)]
_MANY = 10_000
_GOAL = "4 processes, falls to 20 and rises again, real"
_REPORTS = 1000
_ACQUIRED = 100_000


def _steady(now: float) -> int:
    return 100


def _falling(now: float) -> int:
    return 20 if 1.5 <= now < 3.5 else 100


_SIMULATED: dict[str, tuple[int, int, Callable[[float], int]]] = {
    "4 processes, limit of 100": (4, 10_000, _steady),
    "4 processes, falls to 20 and rises again": (4, 10_000, _falling),
    "10 processes, falls to 20 and rises again": (10, 10_000, _falling),
    "50 processes, falls to 20 and rises again": (50, 100_000, _falling),
}


@frozen(kw_only=True)
class SharedRun:
    """The outcome of sending all requests from several processes."""

    seconds: float
    bound: float
    throttled: float
    """Throttled requests per request needed."""
    unfair: float
    """Most to fewest requests served per process, until the first of them had finished."""
    cpu: float = 0.0

    @property
    def ratio(self) -> float:
        """Time relative to the bound."""
        return self.seconds / self.bound

    def cells(self, name: str) -> tuple[str, ...]:
        """The cells of its table row."""
        figures = (f"{self.seconds:.2f}", f"{self.bound:.2f}", f"{self.ratio:.3f}")
        return (name, *figures, f"{100 * self.throttled:.2f}", f"{self.unfair:.3f}")


def _unfair(served: Sequence[Sequence[float]]) -> float:
    end = min(max(one) for one in served)
    many = [sum(at <= end for at in one) for one in served]
    return max(many) / min(many)


def _simulated(
    processes: int, requests: int, slots: Callable[[float], int], seed: int
) -> SharedRun:
    from tests.core.shared_simulation import SharedWorld

    world = SharedWorld(slots, [requests // processes] * processes, seed=seed)
    world.run()
    return SharedRun(
        seconds=world.now,
        bound=bound_of(requests, slots),
        throttled=world.throttled / requests,
        unfair=_unfair([one.served for one in world.processes]),
    )


@contextmanager
def _working(vendor: str, database: str, many: int) -> Iterator[list[subprocess.Popen[str]]]:
    """Start the processes, and let them begin together."""
    each, module = many // _PROCESSES, "benchmarks.cases._shared_limit_worker"
    with ExitStack() as stack:
        processes = []
        for number in range(_PROCESSES):
            case = {"vendor": vendor, "database": database, "first": number * each, "many": each}
            command = [sys.executable, "-m", module, json.dumps(case)]
            process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            stack.callback(process.wait)
            stack.callback(process.kill)
            processes.append(process)
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        yield processes


def _sent(database: str) -> SharedRun:
    """Send everything from four processes; without a database, each adapts alone."""
    pace = Pace(phases=tuple(_PHASES))
    with serving(ours=_MANY, phases=_PHASES, single=_TAKES) as vendor:
        began = time.monotonic()
        with _working(vendor, database, _MANY) as processes:
            began = time.monotonic()
            found = [json.loads(one.communicate(timeout=300)[0]) for one in processes]
        throttled = asyncio.run(counts(vendor))["meter"]["throttled"]
    served = [one["served"] for one in found]
    return SharedRun(
        seconds=max(map(max, served)) - began,
        bound=bound_of(_MANY, pace.slots, _TAKES),
        throttled=throttled / _MANY,
        unfair=_unfair(served),
        cpu=sum(one["cpu"] for one in found),
    )


def _killed(database: str) -> float:
    """Kill one of four processes; return the seconds until the others have its share."""
    import psycopg

    query = (
        "SELECT sum(permits), max(total), count(*) FROM asyncsim.limits"
        " JOIN asyncsim.shares USING (account)"
    )
    with (
        psycopg.connect(database, autocommit=True) as connection,
        serving(ours=10**6, single=_TAKES) as vendor,
        _working(vendor, database, 10**6) as processes,
    ):

        def divided(among: int) -> bool:
            row: Any = connection.execute(query).fetchone()
            return bool(row[2] == among and row[0] >= 0.9 * int(row[1]))

        time.sleep(4.0)
        _until(lambda: divided(_PROCESSES))
        processes[0].send_signal(signal.SIGKILL)
        return _until(lambda: divided(_PROCESSES - 1))


def _until(condition: Callable[[], bool]) -> float:
    """Return the seconds until it is true."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() > began + 60:
            raise RuntimeError("the limit was not divided among the processes within a minute")
        time.sleep(0.01)
    return time.monotonic() - began


async def _report(database: str, server: int) -> dict[str, float]:
    """Milliseconds of one report, and the processor time on both sides."""
    from asyncsim.postgres.engine import connect
    from asyncsim.postgres.limit_store import LimitStore

    times, stores = [], [LimitStore("report", f"p{number}") for number in range(_PROCESSES)]
    async with await connect(database) as connection:
        used, own = cpu(server), time.process_time()
        for number in range(_REPORTS):
            began = time.perf_counter()
            report = LimitReport(demand=100, accepted=True, earned=0.1)
            await stores[number % _PROCESSES].exchange(connection, report)
            times.append(1000 * (time.perf_counter() - began))
        own, used = time.process_time() - own, cpu(server) - used
    return {
        "one report, median, ms": median(times),
        "one report, 99th percentile, ms": sorted(times)[int(0.99 * _REPORTS)],
        "CPU of the process per report, ms": 1000 * own / _REPORTS,
        "CPU of PostgreSQL per report, ms": 1000 * used / _REPORTS,
    }


async def _slots() -> dict[str, float]:
    """Microseconds to take and release a slot."""
    found = {}
    for name, shared in (("not shared", False), ("shared", True)):
        best = float("inf")
        for _ in range(5):
            limiter = ConcurrencyLimiter(Throttle(), SYSTEM_CLOCK, ceiling=1024, slow=7.5)
            if shared:
                limiter.share(lambda: None)
            began = time.perf_counter()
            for _ in range(_ACQUIRED):
                limiter.try_acquire()
                limiter.release(0.1, began)
            best = min(best, 1e6 * (time.perf_counter() - began) / _ACQUIRED)
        found[f"take and release a slot, {name}, µs"] = best
    return found


def _targets(name: str, found: Sequence[SharedRun]) -> list[Target]:
    measured = {
        "time to bound": ([one.ratio for one in found], 1.15),
        "throttled, %": ([100 * one.throttled for one in found], 2.0),
        "most to fewest served per process": ([one.unfair for one in found], 1.2),
    }
    return [
        Target(
            what=f"{name}: {what}",
            measured=median(values),
            bound=bound,
            spread=f"{min(values):.3f} to {max(values):.3f}",
        )
        for what, (values, bound) in measured.items()
    ]


@contextmanager
def _postgres() -> Iterator[tuple[Callable[[str], str], int]]:
    """A server; yields what creates a database with our tables, and the server's process."""
    from asyncsim.bulk.journal.migrations import migrate
    from tests.postgres.cluster import Cluster

    cluster = Cluster(settings={"fsync": "on"})

    def create(name: str) -> str:
        url = cluster.create_database(name)
        asyncio.run(migrate(url))
        return url

    try:
        cluster.create()
        yield create, cluster.postmaster
    finally:
        cluster.remove()


def measure() -> Result:
    """Simulate, then send from real processes that share the limit, and from some that do not."""
    simulated = {
        f"{name}, simulated": [_simulated(*case, seed) for seed in _SEEDS]
        for name, case in _SIMULATED.items()
    }
    with _postgres() as (create, server):
        real = {
            _GOAL: [_sent(create("shared"))],
            "the same, each adapts alone": [_sent("")],
        }
        back = [_killed(create(f"killed_{number}")) for number in range(3)]
        cost = asyncio.run(_report(create("cost"), server)) | asyncio.run(_slots())
    found = simulated | real
    goals = [name for name in found if name.startswith("4")]
    killed = Target(
        what="seconds until the share of a killed process is divided among the others, real",
        measured=median(back),
        bound=6.0,
        spread=f"{min(back):.2f} to {max(back):.2f}",
    )
    head = ("case", "seconds", "bound", "ratio", "throttled %", "most to fewest served")
    rows = [one.cells(name) for name, runs in found.items() for one in runs]
    return Result(
        name="shared_limit",
        question="How well do processes share a vendor's limit that none of them knows?",
        targets=[*(one for name in goals for one in _targets(name, found[name])), killed],
        tables=[
            Table(
                title="Four processes",
                head=head,
                rows=[one.cells(name) for name, runs in real.items() for one in runs],
            ),
            Table(title="Every run", head=head, rows=rows),
            Table(
                title="Cost",
                head=("what", "measured"),
                rows=[(what, f"{value:.2f}") for what, value in cost.items()],
            ),
        ],
        notes=(
            "Simulated: requests of 50 ms, a report of 4 ms; the vendor's limit falls to 20 from"
            " 1.5 to 3.5 s.",
            f"Real: {_PROCESSES} processes with a client each, the vendor's process and"
            f" PostgreSQL; {_MANY:,} updates of {_TAKES} s; the limit of 100 falls to 20 from 8 to"
            " 20 s. One run each; three for the killed process.",
            "The bound is the integral of the limit: the time of clients that know it. Fairness"
            " compares what the processes were served until the first had finished.",
        ),
        samples={name: [asdict(one) for one in runs] for name, runs in found.items()}
        | {"killed": back, "cost": [cost]},
    )


def plot(result: Result, path: Path) -> None:
    """Draw time to bound."""
    groups = {
        name: {"time, the bound = 1": Spread.of([one["seconds"] / one["bound"] for one in runs])}
        for name, runs in result.samples.items()
        if name not in ("killed", "cost")
    }
    grouped_bars(groups, "time, the bound = 1", path)

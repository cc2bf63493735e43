"""One job by one, two and four workers on a shared journal, and waits that are parked in one."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from attrs import define

from benchmarks import capacity
from benchmarks.cases.growth import WrongOutcome
from benchmarks.database import cpu, spent
from benchmarks.plots import grouped_bars
from benchmarks.result import Result, Table, Target
from benchmarks.rounds import Spread
from benchmarks.stub.process import counts, serving
from benchmarks.stub.vendor import Terms
from benchmarks.workers import run
from tests.postgres.cluster import Cluster

LONG = True
_WORKER = "benchmarks.cases._scale_worker"
_SIMS = int(os.environ.get("ASYNCSIM_BENCH_SCALE", "200000"))
_CHUNK = 1000
_WORKERS = (1, 2, 4)
_AT_ONCE = 8  # chunks that all workers together have in hand
_PARKED = 50_000
_WATCHED = 60.0  # seconds: several safety sweeps
_LARGE, _ACCOUNTS = 10_000_000, 100
_RATES = (5, 20, 50)  # SIMs a second that a vendor allows an account
_LONGEST = 900.0  # seconds of one run
_SETTLES, _NEVER = 2.0, 1e9  # seconds until a change is carried out

_SETTINGS = {
    "fsync": "on",
    "full_page_writes": "on",
    "shared_buffers": "128MB",
    "wal_level": "replica",
}
"""As PostgreSQL comes: durable."""

Run = dict[str, Any]


@contextmanager
def _server() -> Iterator[Cluster]:
    """Run a server whose data is on disk."""
    cluster = Cluster(Path(tempfile.mkdtemp(prefix="asyncsim-scale-")), settings=_SETTINGS)
    try:
        cluster.create()
        yield cluster
    finally:
        cluster.remove()


def _pid(cluster: Cluster) -> int:
    return int((cluster.data / "postmaster.pid").read_text().split()[0])


def _database(cluster: Cluster) -> str:
    """Make a database with the journal's tables."""
    url = cluster.create_database(f"scale_{secrets.token_hex(4)}")
    command = [sys.executable, "-m", "asyncsim.cli", "jobs", "migrate"]
    environment = {**os.environ, "ASYNCSIM_JOURNAL": url}
    subprocess.run(command, env=environment, stdout=sys.stderr, check=True)
    return url


@define
class WorkerProcess:
    """A worker that has imported everything and has not begun."""

    process: subprocess.Popen[str]

    def tell(self) -> None:
        """Write a line: the first begins the work, further ones ask for `said`."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def said(self) -> str:
        """Read a line."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise WrongOutcome(f"a worker has ended with {self.process.wait()}")
        return line

    def used(self) -> dict[str, float]:
        """What it has used so far."""
        self.tell()
        found: dict[str, float] = json.loads(self.said())
        return found

    def end(self) -> Run:
        """Stop it gracefully; what it has used in total."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        found: Run = json.loads(self.said())
        self.process.wait(timeout=60.0)
        return found


@contextmanager
def _worker(*arguments: object) -> Iterator[WorkerProcess]:
    command = [sys.executable, "-m", _WORKER, "work", *map(str, arguments)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        worker = WorkerProcess(process)
        try:
            assert worker.said() == "ready\n"
            yield worker
        finally:
            process.kill()  # has no effect on one that has ended


class JobInDatabase:
    """The job in one database, as a query sees it."""

    def __init__(self, url: str) -> None:
        import psycopg

        self._connection = psycopg.connect(url, autocommit=True)
        self.connections = 0
        """The most that there were at once, without this one."""

    def close(self) -> None:
        """Disconnect."""
        self._connection.close()

    def is_finished(self) -> bool:
        """Tell whether the closing list scan is done; count connections on the way."""
        query = "SELECT count(*) - 1 FROM pg_stat_activity WHERE datname = current_database()"
        (count,) = self._connection.execute(query).fetchone() or (0,)
        self.connections = max(self.connections, count)
        query = "SELECT state FROM asyncsim.jobs WHERE name = 'scale'"
        row = self._connection.execute(query).fetchone()
        return row == ("finished",)

    def rows(self) -> dict[str, int]:
        """Rows by state."""
        query = "SELECT state, count(*) FROM asyncsim.rows GROUP BY state"
        return dict(self._connection.execute(query).fetchall())

    def lost(self) -> int:
        """Chunks whose worker lost its lease: they were claimed a second time."""
        query = "SELECT count(*) FROM asyncsim.chunks WHERE number > 0 AND epoch > 1"
        (count,) = self._connection.execute(query).fetchone() or (0,)
        return int(count)


def _until(condition: Any, what: str, pause: float = 0.25) -> None:
    ends = time.monotonic() + _LONGEST
    while not condition():
        if time.monotonic() > ends:
            raise WrongOutcome(f"{what}: not within {_LONGEST:g} s")
        time.sleep(pause)


def _share(cluster: Cluster, workers: int, dispatch: str = "procrastinate") -> Run:
    """Run the job by some workers, in a new database."""
    with ExitStack() as stack:
        url, pid = _database(cluster), _pid(cluster)
        port = stack.enter_context(serving(Terms(sims=_SIMS, settles=_SETTLES)))
        start = spent(url, pid)
        planned = run(_WORKER, "submit", str(port), url, dispatch, str(_SIMS), timeout=_LONGEST)
        planned |= {
            f"database {name}": value for name, value in spent(url, pid).since(start).items()
        }
        looked = counts(port)
        planned["reads"] = looked["GET"]
        at_once = _AT_ONCE // workers
        ready = [stack.enter_context(_worker(port, url, dispatch, at_once)) for _ in range(workers)]
        job = JobInDatabase(url)
        stack.callback(job.close)
        before, began = spent(url, pid), time.perf_counter()
        for one in ready:
            one.tell()
        _until(job.is_finished, f"{workers} workers")
        seconds = time.perf_counter() - began
        used = [one.end() for one in ready]
        database = spent(url, pid).since(before)
        sent, rows, lost = counts(port), job.rows(), job.lost()
    if rows != {"done": _SIMS} or sent["POST"] != _SIMS:
        raise WrongOutcome(f"{workers} workers: rows {rows}, {sent['POST']:,} changes sent")
    return {
        "workers": workers,
        "dispatch": dispatch,
        "seconds": seconds,
        "cpu": sum(one["cpu"] for one in used),
        "grown": max(one["peak"] - one["before"] for one in used),
        "peak": max(one["peak"] for one in used),
        "reads": sent["GET"] - looked["GET"],
        "connections": job.connections / workers,
        "lost": lost,
        "planned": planned,
        **{f"database {name}": value for name, value in database.items()},
    }


def _park(cluster: Cluster, *, called: bool) -> Run:
    """Let one worker wait for SIMs that never settle."""
    with ExitStack() as stack:
        url, pid = _database(cluster), _pid(cluster)
        port = stack.enter_context(serving(Terms(sims=_PARKED, settles=_NEVER)))
        run(_WORKER, "submit", str(port), url, "procrastinate", str(_PARKED), timeout=_LONGEST)
        arguments = (port, url, "procrastinate", _PARKED // _CHUNK, *(["called"] * called))
        worker = stack.enter_context(_worker(*arguments))
        job = JobInDatabase(url)
        stack.callback(job.close)
        worker.tell()
        _until(lambda: counts(port)["POST"] == _PARKED, "all are sent")
        _until(lambda: job.rows() == {"accepted": _PARKED}, "all wait")
        first, database, asked = worker.used(), cpu(pid), counts(port)
        began = time.perf_counter()
        time.sleep(_WATCHED)
        last, seconds = worker.used(), time.perf_counter() - began
        database, reads = cpu(pid) - database, counts(port)["GET"] - asked["GET"]
        lost = job.lost()
        worker.end()
        sent = counts(port)["POST"]
    if sent != _PARKED:
        raise WrongOutcome(f"parked: {sent:,} changes were sent for {_PARKED:,} SIMs")
    return {
        "called": called,
        "core": 100 * (last["cpu"] - first["cpu"]) / seconds,
        "database": 100 * database / seconds,
        "reads": reads / seconds,
        "bytes": last["rss"] / _PARKED,
        "lost": lost,
    }


def _ratio(runs: Mapping[int, Run], key: str) -> float:
    return float(runs[_WORKERS[-1]][key] / runs[_WORKERS[0]][key])


_COMPARED = {
    "seconds": ("seconds", 1.10),
    "cpu": ("CPU of the workers", 1.15),
    "database cpu": ("CPU of the database", 1.25),
    "database commits": ("commits", 1.25),
    "reads": ("reads", 1.10),
}
"""Of four workers to one: what adding workers must not cost."""


def _row(one: Run) -> Sequence[str]:
    return (
        f"{one['workers']}, {one['dispatch']}",
        f"{one['seconds']:.0f}",
        f"{one['cpu'] / _SIMS * 1e6:.0f}",
        f"{one['database cpu'] / _SIMS * 1e6:.0f}",
        f"{one['database commits'] / _SIMS:.3f}",
        f"{one['reads'] / _SIMS:.3f}",
        f"{one['database wal'] / _SIMS / 1024:.1f}",
        f"{one['peak'] / 2**20:.0f}",
        f"{one['connections']:.1f}",
    )


_HEAD = (
    "workers",
    "seconds",
    "CPU of workers, µs a SIM",
    "CPU of the database, µs a SIM",
    "commits a SIM",
    "reads a SIM",
    "log, KiB a SIM",
    "MiB at most, one worker",
    "connections of one, at most",
)


def measure() -> Result:
    """Run all, each in a new database of one server."""
    with _server() as cluster:
        runs = {workers: _share(cluster, workers) for workers in _WORKERS}
        table = _share(cluster, _WORKERS[1], "table")
        parked = [_park(cluster, called=called) for called in (True, False)]
    return result_of(runs, table, parked)


def result_of(runs: Mapping[int, Run], table: Run | None, parked: Sequence[Run]) -> Result:
    """Compare what was measured with the targets."""
    every = [*runs.values(), *([] if table is None else [table])]
    many = [
        Target(
            what=f"{_WORKERS[-1]} workers to one: {what}",
            measured=_ratio(runs, key),
            bound=bound,
            spread="one run each",
        )
        for key, (what, bound) in _COMPARED.items()
    ]
    # A worker that loses its lease reads SIMs again, and no callback of the new one comes: then the
    # other figures are about something else.
    lost = Target(
        what="chunks claimed a second time",
        measured=sum(one["lost"] for one in (*every, *parked)),
        bound=0,
        spread="all runs",
    )
    waits = [
        Target(
            what=f"{_PARKED:,} parked waits, {_how(one)}: % of a core",
            measured=one["core"],
            bound=5.0,
            spread=f"over {_WATCHED:g} s",
        )
        for one in parked
    ]
    return Result(
        name="scale",
        question="What do more workers cost, and what does a wait cost a worker?",
        targets=[lost, *many, *waits],
        tables=[
            Table(
                title="One job by more workers",
                head=_HEAD,
                rows=[_row(one) for one in every],
            ),
            _planned(runs),
            _parked(parked),
            *_capacity(runs[_WORKERS[-1]]),
        ],
        notes=(
            f"A job of {_SIMS:,} SIMs in {_SIMS // _CHUNK} chunks, as the environment's"
            " `ASYNCSIM_BENCH_SCALE` says; 200,000 without it.",
            "Two cores for everything: the workers, PostgreSQL with fsync, and the vendor. So four"
            " workers cannot be faster than one; they must not be slower either.",
            f"All workers together have {_AT_ONCE} chunks of {_CHUNK:,} SIMs in hand. A SIM settles"
            f" after {_SETTLES:g} s and is found by list scans. All outcomes were checked, and no"
            " SIM was sent twice.",
            f"Parked: one worker has {_PARKED // _CHUNK} chunks in hand, whose SIMs never settle."
            " With callbacks, none arrives, and only the safety sweeps read.",
        ),
        samples={"runs": every, "parked": parked},
    )


def _how(one: Run) -> str:
    return "with callbacks" if one["called"] else "without callbacks"


def _planned(runs: Mapping[int, Run]) -> Table:
    one = runs[_WORKERS[0]]["planned"]
    values = {
        "seconds": f"{one['seconds']:.0f}",
        "CPU of the submitter, µs a SIM": f"{one['cpu'] / _SIMS * 1e6:.0f}",
        "CPU of the database, µs a SIM": f"{one['database cpu'] / _SIMS * 1e6:.0f}",
        "log, KiB a SIM": f"{one['database wal'] / _SIMS / 1024:.1f}",
        "disk, bytes a SIM": f"{one['database size'] / _SIMS:.0f}",
        "MiB at most": f"{one['peak'] / 2**20:.0f}",
    }
    return Table(title="Submitting it", head=list(values), rows=[list(values.values())])


def _capacity(one: Run) -> list[Table]:
    """Plan a large job from the costs of one run."""
    planned = one["planned"]
    costs = capacity.Costs(
        worker=one["cpu"] / _SIMS,
        database=one["database cpu"] / _SIMS,
        submitter=planned["cpu"] / _SIMS,
        planned=planned["database cpu"] / _SIMS,
        commits=one["database commits"] / _SIMS,
        requests=1 + (one["reads"] + planned["reads"]) / _SIMS,
        log=(one["database wal"] + planned["database wal"]) / _SIMS,
        disk=(one["database size"] + planned["database size"]) / _SIMS,
    )
    title = f"{_LARGE:,} SIMs over {_ACCOUNTS} accounts"
    rows = capacity.rows(costs, sims=_LARGE, accounts=_ACCOUNTS, rates=_RATES)
    totals = capacity.totals(costs, sims=_LARGE)
    return [
        Table(title=title, head=capacity.HEAD, rows=rows),
        Table(title=f"{title}, in all", head=("what", "how much"), rows=totals),
    ]


def _parked(parked: Sequence[Run]) -> Table:
    rows = [
        (
            _how(one),
            f"{one['core']:.1f}",
            f"{one['database']:.1f}",
            f"{one['reads']:.1f}",
            f"{one['bytes'] / 1024:.1f}",
        )
        for one in parked
    ]
    head = ("how", "% of a core", "% of a core, database", "reads a second", "KiB a wait, resident")
    return Table(title=f"{_PARKED:,} parked waits", head=head, rows=rows)


def plot(result: Result, path: Path) -> None:
    """Draw the CPU a SIM."""
    groups = {
        f"{one['workers']}, {one['dispatch']}": {
            who: Spread.of([one[key] / _SIMS * 1e6])
            for who, key in (("workers", "cpu"), ("database", "database cpu"))
        }
        for one in result.samples["runs"]
    }
    grouped_bars(groups, "CPU, µs a SIM", path)

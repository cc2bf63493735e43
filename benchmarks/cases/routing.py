"""Callbacks that arrive at one process, and wake waits in another, by way of PostgreSQL."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from attrs import frozen

from asyncsim.bulk.journal.migrations import migrate
from benchmarks.database import cpu
from benchmarks.plots import grouped_bars
from benchmarks.result import Result, Table, Target
from benchmarks.rounds import Spread
from tests.postgres.cluster import Cluster

_RATES = (100, 500, 1000, 2000)
_SECONDS = 10
_DURABLE = {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on"}
_HEAD = (
    *("callbacks a second", "p50 ms", "p99 ms", "longest ms", "from when it was due, p99 ms"),
    *("rows of an INSERT", "NOTIFYs a second", "reads a second"),
    *("receiver", "waiter", "PostgreSQL", "load generator"),
)


class _Worker:
    """A process of the benchmark."""

    def __init__(self, role: str, **arguments: Any) -> None:
        command = ["-m", "benchmarks.cases._routing_worker", role, json.dumps(arguments)]
        self._process = subprocess.Popen(
            [sys.executable, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.ready = self._read()

    def _read(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "a process of the benchmark has failed"
        return json.loads(line)

    def tell(self) -> None:
        """Begin, or end."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def result(self) -> Any:
        """What it measured, once it has ended."""
        found = self._read()
        self._process.communicate(timeout=60)
        return found

    def kill(self) -> None:
        """End it, if it has not ended."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()


@frozen
class Routed:
    """One rate."""

    rate: int
    delays: list[float]
    """Milliseconds from the request, read at the receiver, to the wait that has ended."""
    whole: list[float]
    """The same from when the request was due, with the load generator and the socket."""
    figures: Mapping[str, float]

    def row(self) -> tuple[str, ...]:
        """The cells of its table row."""
        cores = (f"{self.figures[name]:.2f}" for name in ("receive", "wait", "database", "send"))
        counts = (f"{self.figures[name]:.0f}" for name in ("rows", "notifications", "reads"))
        return (
            f"{self.rate:,}",
            *(f"{one:.1f}" for one in (median(self.delays), p99(self.delays), max(self.delays))),
            f"{p99(self.whole):.1f}",
            *counts,
            *cores,
        )


def p99(values: list[float]) -> float:
    """The 99th percentile."""
    return quantiles(values, n=100, method="inclusive")[98]


def _route(cluster: Cluster, rate: int) -> Routed:
    # A database of its own: callbacks of the rate before would cause reads of the same SIMs.
    url = cluster.create_database(f"routing_{rate}")
    asyncio.run(migrate(url))
    waits, postmaster = rate * _SECONDS, cluster.postmaster
    with tempfile.TemporaryDirectory() as folder:
        workers: list[_Worker] = []
        try:
            waiting = _Worker("wait", url=url, waits=waits, folder=folder)
            workers.append(waiting)
            receiving = _Worker("receive", url=url)
            workers.append(receiving)
            sending = _Worker("send", port=receiving.ready, rate=rate, folder=folder)
            workers.append(sending)
            began, database = time.monotonic(), cpu(postmaster)
            for one in workers:
                one.tell()
            sent, woken = sending.result(), waiting.result()
            seconds, database = time.monotonic() - began, cpu(postmaster) - database
            receiving.tell()
            received = receiving.result()
        finally:
            for one in workers:
                one.kill()
    assert sent["accepted"] == received["stored"] == len(woken["woken"]) == waits
    figures = {
        "receive": received["cpu"] / seconds,
        "wait": woken["cpu"] / seconds,
        "send": sent["cpu"] / seconds,
        "database": database / seconds,
        "rows": received["stored"] / received["inserts"],
        "notifications": received["notifications"] / seconds,
        "reads": woken["reads"] / seconds,
    }
    ended, arrived, due = woken["woken"], received["arrived"], sent["due"]
    delays = [1000 * (ended[name] - arrived[name]) for name in ended]
    return Routed(rate, delays, [1000 * (ended[name] - due[name]) for name in ended], figures)


def measure() -> Result:
    """Route callbacks at several rates, through a server that syncs each commit to the disk."""
    cluster = Cluster(Path(tempfile.mkdtemp(prefix="asyncsim-pg-")), settings=_DURABLE)
    try:
        cluster.create()
        routed = [_route(cluster, rate) for rate in _RATES]
    finally:
        cluster.remove()
    fastest = routed[-1]
    return Result(
        name="routing",
        question="How long from a callback at one process to a wait that ends in another?",
        targets=[
            Target(what="p50 at 2,000 a second, ms", measured=median(fastest.delays), bound=50.0),
            Target(what="p99 at 2,000 a second, ms", measured=p99(fastest.delays), bound=150.0),
        ],
        tables=[Table(title="Each rate", head=_HEAD, rows=[one.row() for one in routed])],
        notes=(
            "From the request, read at the receiver, to the wait that has ended in another process:"
            " verified, stored by a synced commit, notified, read, and matched with its wait.",
            "The last four columns are shares of one core. Receiver, waiter, PostgreSQL and load"
            " generator share the cores of this machine.",
            f"{_SECONDS} seconds each, one callback for each of as many waits; none is lost.",
        ),
        samples={
            str(one.rate): {"percentiles": quantiles(one.delays, n=100), **one.figures}
            for one in routed
        },
    )


def plot(result: Result, path: Path) -> None:
    """Draw the median delay at each rate, with its quartiles."""
    bars = {f"{rate}/s": Spread.of(found["percentiles"]) for rate, found in result.samples.items()}
    grouped_bars({"a callback": bars}, "milliseconds to the wait in another process", path)

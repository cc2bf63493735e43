"""The plan of a large job, and what is measured for it."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.capacity import BUSY, HEAD, Costs, rows, totals
from benchmarks.database import Spent, cpu

COSTS = Costs(
    worker=BUSY / 1000,  # one worker: 1,000 SIMs a second
    database=0.0005,
    submitter=0.0001,
    planned=0.0001,
    commits=0.25,
    requests=1.5,
    log=2**20 / 1000,  # 1 MiB for 1,000 SIMs
    disk=2**30 / 1_000_000,  # 1 GiB for a million
)


def test_accounts_work_side_by_side() -> None:
    slow, fast = rows(COSTS, sims=3_600_000, accounts=100, rates=(5, 10.5))
    assert slow == ("5", "2.0", "500", "1", "0.2", "125", "0.5")
    assert fast == ("10.5", "1.0", "1,050", "2", "0.5", "262", "1.1")
    assert len(HEAD) == len(slow)


def test_the_whole_costs_the_same_however_long_it_takes() -> None:
    assert dict(totals(COSTS, sims=3_600_000)) == {
        "core-hours of the workers": "0.6",
        "core-hours of the database": "0.6",
        "core-hours to plan it": "0.1",
        "requests to the vendor, millions": "5.4",
        "disk when it is done, GiB": "3.6",
        "write-ahead log, GiB": "3.5",
    }


def test_what_was_spent_is_the_difference() -> None:
    before = Spent(cpu=1.0, commits=10, wal=100, size=1000)
    after = Spent(cpu=1.5, commits=30, wal=300, size=4000)
    expected = {"cpu": 0.5, "commits": 20, "wal": 200, "size": 3000}
    assert after.since(before) == expected


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc, as Linux has it")
def test_the_processor_time_of_living_and_ended_children_counts() -> None:
    burn = "import time; e = time.process_time() + 0.2\nwhile time.process_time() < e: pass"
    code = (
        "import subprocess, sys\n"
        f"subprocess.run([sys.executable, '-c', {burn!r}])\n"
        f"one = subprocess.Popen([sys.executable, '-c', {burn!r} + '\\ninput()'],"
        " stdin=subprocess.PIPE)\n"
        "print('ready', flush=True); input(); one.communicate(b'\\n')"
    )
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=pipe, stdout=pipe, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        ends = time.monotonic() + 30
        while cpu(process.pid) < 0.4 and time.monotonic() < ends:
            time.sleep(0.05)
        found = cpu(process.pid)
        process.communicate("\n")
    assert 0.4 <= found < 30
    assert cpu(process.pid) == 0.0

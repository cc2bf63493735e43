"""Number of files that a reader passes when following one request, callback or row.

A diagnostic. It counts functions entered, not modules imported. A figure past its bound is a
reason to investigate, never one to merge what does not belong together.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from attrs import frozen

from benchmarks.plots import grouped_bars
from benchmarks.result import Result, Table, Target
from benchmarks.rounds import Spread


@frozen
class Journey:
    """One journey and its bounds."""

    letter: str
    what: str
    files: int
    changes: int


JOURNEYS = (
    Journey("A", "`sims.update(...)` to the record", 12, 24),
    Journey("B", "a callback, from the socket to the resumed `await_transition`", 20, 60),
    Journey("C", "one row of a CSV file to `results.csv`", 40, 350),
    Journey("D", "the emulator, from a POST to its 202", 16, 45),
)


def _run(letter: str) -> Sequence[Sequence[str]]:
    command = [sys.executable, "-m", "benchmarks.cases._journeys_worker", letter]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=120)
    found: list[list[str]] = json.loads(done.stdout)
    return found


def _changes(entered: Sequence[Sequence[str]]) -> int:
    files = [file for file, _ in entered]
    return sum(one != other for one, other in pairwise(files))


def measure() -> Result:
    """Trace each journey once."""
    samples: dict[str, Any] = {one.letter: _run(one.letter) for one in JOURNEYS}
    targets, rows = [], []
    for one in JOURNEYS:
        entered = samples[one.letter]
        files, changes = [*dict.fromkeys(file for file, _ in entered)], _changes(entered)
        targets += [
            Target(what=f"{one.letter}: files", measured=len(files), bound=one.files),
            Target(what=f"{one.letter}: changes of file", measured=changes, bound=one.changes),
        ]
        functions = len({(file, function) for file, function in entered})
        rows.append((one.letter, one.what, str(functions), ", ".join(files)))
    return Result(
        name="journeys",
        question="Through how many files does a reader follow a request, a callback or a row?",
        targets=targets,
        tables=[
            Table(
                title="Each journey",
                head=("", "what", "functions", "files in the order in which they are entered"),
                rows=rows,
            )
        ],
        notes=("own code only; a coroutine that resumes after an `await` is not entered again",),
        samples=samples,
    )


def plot(result: Result, path: Path) -> None:
    """Draw the changes of file."""
    groups = {
        letter: {"changes of file": Spread.of([float(_changes(entered))])}
        for letter, entered in result.samples.items()
    }
    grouped_bars(groups, "changes of file", path)

"""Start-up: the import and the first request of a process."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.plots import grouped_bars
from benchmarks.result import Result, Table
from benchmarks.rounds import Spread, ratios
from benchmarks.stub.process import serving
from benchmarks.workers import run

_WORKER = "benchmarks.cases._startup_worker"
_ROUNDS = 7
_WHO = ("asyncsim", "bare aiohttp", "twilio", "httpx")
_STEPS = ("import", "first request", "both")


@contextmanager
def _compiled() -> Iterator[None]:
    """Keep bytecode in a temporary folder, whatever the environment says about writing it.

    Installed packages ship bytecode, a source tree may not, and compiling would dominate.
    """
    before = dict(os.environ)
    with TemporaryDirectory() as folder:
        os.environ["PYTHONPYCACHEPREFIX"] = folder
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)


def _round(port: int, samples: dict[str, list[Any]]) -> None:
    for contender in _WHO:
        seconds = run(_WORKER, str(port), contender)
        seconds["both"] = sum(
            seconds.values()
        )  # an import that is deferred costs the first request
        samples.setdefault(contender, []).append(seconds)


def _rows(samples: dict[str, list[dict[str, float]]]) -> Sequence[Sequence[str]]:
    return [
        (
            step,
            contender,
            ratios(
                [one[step] for one in turns], [one[step] for one in samples["bare aiohttp"]]
            ).text(),
            Spread.of([one[step] for one in turns]).text(1e3, 1),
        )
        for step in _STEPS
        for contender, turns in samples.items()
    ]


def measure() -> Result:
    """Start many interpreters."""
    samples: dict[str, list[Any]] = {}
    with _compiled(), serving() as port:
        _round(port, {})  # not measured: compiles the bytecode
        for _ in range(_ROUNDS):
            _round(port, samples)
    head = ("step", "contender", "to bare aiohttp", "ms")
    return Result(
        name="startup",
        question="How long until a new process has its first response?",
        targets=[],  # a diagnostic only
        tables=[Table(title="Each", head=head, rows=_rows(samples))],
        notes=["CPU time with compiled bytecode; each figure from its own process"],
        samples=samples,
    )


def plot(result: Result, path: Path) -> None:
    """Draw milliseconds."""
    groups = {
        step: {
            contender: Spread.of([one[step] * 1e3 for one in turns])
            for contender, turns in result.samples.items()
        }
        for step in _STEPS
    }
    grouped_bars(groups, "CPU, ms", path)

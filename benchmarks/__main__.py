"""`python -m benchmarks [NAME ...]`: measure, print the tables, keep the results.

A benchmark is a module of `benchmarks/cases` with `measure() -> Result` and `plot(result, path)`. A
module whose name starts with an underscore is a helper. One with `LONG = True` runs only if named.

Exits with 0 if all have run and all responses were right. A missed target is a finding: it is
printed and kept, but fails the run only with `--strict`.
"""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from attrs import frozen

from benchmarks import cases
from benchmarks.plots import available
from benchmarks.result import RESULTS, describe, keep, markdown, write_index


def names() -> list[str]:
    """List the names of all benchmarks."""
    found = (one.name for one in pkgutil.iter_modules(cases.__path__))
    return [name for name in found if not name.startswith("_")]


def case(name: str) -> Any:
    """Import one benchmark."""
    return importlib.import_module(f"benchmarks.cases.{name}")


@frozen
class BenchmarkRun:
    """The outcome of one benchmark."""

    name: str
    seconds: float
    missed: int | None
    """Missed targets; None if it failed or a response was wrong."""

    def line(self) -> str:
        """Summarize it in one line."""
        verdict = "FAILED" if self.missed is None else f"{self.missed} targets missed"
        return f"{self.name:15} {self.seconds:6.0f} s  {verdict}"


def _measure(name: str, folder: Path) -> int:
    """Run one; return how many of its targets it missed."""
    one, machine = case(name), describe()
    result = one.measure()
    keep(result, machine, folder)
    if available():
        one.plot(result, folder / f"{name}.svg")
    write_index(folder)
    print(markdown(result, machine))
    return sum(not target.met for target in result.targets)


def run(name: str, folder: Path) -> BenchmarkRun:
    """Run one; report an exception, so that the others still run."""
    started = time.perf_counter()
    missed = None
    try:
        missed = _measure(name, folder)
    except Exception:  # noqa: BLE001  # any error is printed, and the run exits with 1
        traceback.print_exc()
    ran = BenchmarkRun(name, time.perf_counter() - started, missed)
    print(f"{ran.line()}, kept in {folder}\n", flush=True)
    return ran


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the named benchmarks, or all that are not long."""
    every = names()
    about = (__doc__ or "").partition("\n\n")[0]
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=about)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(every))
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the results")
    parser.add_argument("--strict", action="store_true", help="exit with 1 if a target is missed")
    given = parser.parse_args(arguments)
    if unknown := set(given.names) - set(every):
        parser.error(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(every)}")
    chosen = given.names or [name for name in every if not getattr(case(name), "LONG", False)]
    ran = [run(name, given.out) for name in chosen]
    print("\n".join(one.line() for one in ran))
    print(f"{'all':15} {sum(one.seconds for one in ran):6.0f} s")
    failed = any(one.missed is None or (given.strict and one.missed) for one in ran)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

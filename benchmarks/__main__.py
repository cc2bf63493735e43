"""`python -m benchmarks [NAME ...]`: measure, print the tables, keep the results.

A benchmark is a module of `benchmarks/cases` with `measure() -> Result` and `plot(result, path)`. A
name that starts with an underscore is none. One that says `LONG = True` runs only when it is named.

Exits with 0 when all have run and all responses were right: a missed target is a finding, which is
printed and kept, and no failure. With `--strict` it is one.
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
    """Name all benchmarks."""
    found = (one.name for one in pkgutil.iter_modules(cases.__path__))
    return [name for name in found if not name.startswith("_")]


def case(name: str) -> Any:
    """Import one."""
    return importlib.import_module(f"benchmarks.cases.{name}")


@frozen
class Ran:
    """How a benchmark went."""

    name: str
    seconds: float
    missed: int | None
    """Targets; None where it broke down, or a response was wrong."""

    def line(self) -> str:
        """Sum it up."""
        verdict = "FAILED" if self.missed is None else f"{self.missed} targets missed"
        return f"{self.name:15} {self.seconds:6.0f} s  {verdict}"


def _measure(name: str, folder: Path) -> int:
    """Run one; tells how many of its targets are missed."""
    one, machine = case(name), describe()
    result = one.measure()
    keep(result, machine, folder)
    if available():
        one.plot(result, folder / f"{name}.svg")
    write_index(folder)
    print(markdown(result, machine))
    return sum(not target.met for target in result.targets)


def run(name: str, folder: Path) -> Ran:
    """Run one; if it breaks down, say so, for the others to go on."""
    started = time.perf_counter()
    missed = None
    try:
        missed = _measure(name, folder)
    except Exception:  # noqa: BLE001  # whatever it is, it is told, and the run ends with 1
        traceback.print_exc()
    ran = Ran(name, time.perf_counter() - started, missed)
    print(f"{ran.line()}, kept in {folder}\n", flush=True)
    return ran


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmarks that are named, or all that are not long."""
    every = names()
    about = (__doc__ or "").partition("\n\n")[0]
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=about)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(every))
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the results")
    parser.add_argument("--strict", action="store_true", help="end with 1 if a target is missed")
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

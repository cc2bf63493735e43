"""`python -m benchmarks [NAME ...]`: measure, print the tables, keep the results.

A benchmark is a module of `benchmarks/cases` with `measure() -> Result`; one may have `plot(result,
path)` too. A name that starts with an underscore is none. One that says `LONG = True` runs only
when it is named.
"""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks import cases
from benchmarks.machine import describe
from benchmarks.result import RESULTS, keep, markdown


def _names() -> list[str]:
    found = (one.name for one in pkgutil.iter_modules(cases.__path__))
    return [name for name in found if not name.startswith("_")]


def _case(name: str) -> Any:
    return importlib.import_module(f"benchmarks.cases.{name}")


def _run(name: str, folder: Path) -> bool:
    """Run one; tells whether all its targets are met."""
    started, case = time.perf_counter(), _case(name)
    machine, result = describe(), case.measure()
    keep(result, machine, folder)
    if hasattr(case, "plot"):
        case.plot(result, folder / f"{name}.svg")
    print(markdown(result, machine))
    print(f"{name}: {time.perf_counter() - started:.0f} s, kept in {folder}\n", flush=True)
    return all(target.met for target in result.targets)


def main() -> int:
    """Run the benchmarks that are named, or all that are not long; 1 if a target is missed."""
    names = _names()
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(names))
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the results")
    given = parser.parse_args()
    if unknown := set(given.names) - set(names):
        parser.error(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    chosen = given.names or [name for name in names if not getattr(_case(name), "LONG", False)]
    met = [_run(name, given.out) for name in chosen]  # all, even after a miss
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())

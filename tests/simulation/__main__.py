"""Run worlds, each from its seed: `python -m tests.simulation`, or `nox -s simulate`.

Without arguments: 300 worlds, 50 of workers, and the mutation table, as in CI. `--release`: 20,000
and 2,000. `--seed 17` runs one world again and tells its story; seeds from 1,000,001 on are worlds
of workers. `--mutation NAME` switches that safeguard off.
"""

from __future__ import annotations

import argparse
import logging
import os
import random
import secrets
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing

from tests.simulation import mutations
from tests.simulation.result import WorldResult
from tests.simulation.runner import run_worlds
from tests.simulation.workers_mutations import WORKERS_TABLE
from tests.simulation.workers_scenario import FIRST_SEED

IN_CI, FOR_A_RELEASE = 300, 20_000
WORKERS_IN_CI, WORKERS_FOR_A_RELEASE = 50, 2_000
REPEAT_EVERY = 50
"""One in so many seeds is run twice, and both runs must be the same."""
_SHOWN, _LONGEST_LINE = 3, 160
"""Violations printed per world, and characters of one that a mutation caused."""
_BLOCKS = (16, 32, 48, 64, 100, 160, 200, 300, 400)
"""Bytes of a block that occupies memory, about as large as the objects of a world."""
_kept: list[bytearray] = []
_TABLE = (*mutations.TABLE, *WORKERS_TABLE)


def main(arguments: Sequence[str]) -> int:
    """Run what the options say; 1 if anything is wrong."""
    options = _parser().parse_args(arguments)
    logging.disable(logging.CRITICAL)  # faults are normal in these worlds
    if options.seed is not None:
        return _run_one(options.seed, options.mutation)
    if options.mutation is not None:
        return _find([_named(options.mutation)], options.parallel)
    if options.mutations:
        return _find(_TABLE, options.parallel)
    worlds = FOR_A_RELEASE if options.release else options.worlds
    wrong = _run(range(options.first, options.first + worlds), options.parallel)
    if options.first >= FIRST_SEED:
        return wrong
    workers = WORKERS_FOR_A_RELEASE if options.release else WORKERS_IN_CI
    print("Of workers: ", end="")
    wrong |= _run(range(FIRST_SEED, FIRST_SEED + workers), options.parallel)
    return wrong | _find(_TABLE, options.parallel)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, help="run this world alone, and print its log")
    parser.add_argument("--first", type=int, default=1, help="seed of the first world")
    parser.add_argument("--worlds", type=int, default=IN_CI, help="how many worlds")
    parser.add_argument("--release", action="store_true", help=f"{FOR_A_RELEASE:,} worlds")
    parser.add_argument("--mutations", action="store_true", help="only the mutation table")
    parser.add_argument("--mutation", help="with this safeguard switched off")
    parser.add_argument("--parallel", type=int, default=os.cpu_count() or 1)
    return parser


def _run_one(seed: int, mutation: str | None) -> int:
    """Run one world, and print its log."""
    before = _named(mutation).switch_off() if mutation else _nothing
    (result,) = run_worlds([seed], parallel=1, before=before)
    print(*result.log, sep="\n")
    print(f"\nworld {seed}: {result.digest}")
    for violation in result.violations:
        print(f"WRONG: {violation}")
    return 1 if result.violations else 0


def _named(name: str) -> mutations.Mutation:
    """The mutation of that name; KeyError if there is none."""
    return {mutation.name: mutation for mutation in _TABLE}[name]


def _nothing() -> None:
    """Switch nothing off."""


def _run(seeds: range, parallel: int) -> int:
    """Run all worlds; print each that is wrong, and the command to run it again."""
    began, wrong = time.monotonic(), 0
    total = WorldResult(seed=0, violations=[])
    for number, result in enumerate(
        _compare_repeats(
            run_worlds(_with_repeats(seeds), parallel=parallel, before=_scatter_memory)
        ),
        1,
    ):
        total.kills += result.kills
        total.vendor_kills += result.vendor_kills
        total.requests += result.requests
        total.seconds += result.seconds
        if result.violations:
            wrong += 1
            _print_wrong(result)
        if number % 1000 == 0:
            print(f"... {number:,} worlds", flush=True)
    killed = "kills of a worker" if seeds.start >= FIRST_SEED else "kills of the client's process"
    print(
        f"{len(seeds):,} worlds, {total.kills:,} {killed} and"
        f" {total.vendor_kills:,} of the vendor's, {total.requests:,} requests,"
        f" {total.seconds / 3600:,.0f} hours of virtual time in {time.monotonic() - began:.0f} s:"
        f" {wrong} wrong",
        flush=True,
    )
    return 1 if wrong else 0


def _with_repeats(seeds: range) -> Iterator[int]:
    for seed in seeds:
        yield seed
        if seed % REPEAT_EVERY == 0:
            yield seed


def _scatter_memory() -> None:
    """Leave gaps at random: a world that depends on addresses in memory differs when repeated."""
    blocks = [bytearray(secrets.choice(_BLOCKS)) for _ in range(secrets.randbelow(20_000))]
    random.SystemRandom().shuffle(blocks)
    _kept.extend(blocks[::2])


def _compare_repeats(results: Iterable[WorldResult]) -> Iterator[WorldResult]:
    """Compare both runs of a world; yield each world once."""
    firsts: dict[int, WorldResult] = {}
    for result in results:
        if result.seed % REPEAT_EVERY:
            yield result
        elif (first := firsts.pop(result.seed, None)) is None:
            firsts[result.seed] = result
        else:
            if first.digest != result.digest:
                result.violations.append(f"two runs differ: {first.digest} and {result.digest}")
            yield result


def _print_wrong(result: WorldResult, mutation: str = "") -> None:
    print(f"world {result.seed} is wrong; run it again: {_command(result.seed, mutation)}")
    for violation in result.violations[:_SHOWN]:
        print(f"    {violation}")
    if len(result.violations) > _SHOWN:
        print(f"    and {len(result.violations) - _SHOWN} more")
    sys.stdout.flush()


def _command(seed: int, mutation: str = "") -> str:
    """The command that runs a world again."""
    off = f" --mutation {mutation}" if mutation else ""
    return f"nox -s simulate -- --seed {seed}{off}"


def _find(table: Iterable[mutations.Mutation], parallel: int) -> int:
    """Switch off each safeguard, and check that some world goes wrong."""
    missed = 0
    for mutation in table:
        began = time.monotonic()
        worlds = run_worlds(mutation.seeds(), parallel=parallel, before=mutation.switch_off())
        with closing(worlds):
            found = next(filter(mutation.is_shown_by, worlds), None)
        seconds = f"{time.monotonic() - began:.0f} s"
        if found is None:
            missed += 1
            print(f"NOT FOUND without {mutation.name} ({mutation.why}), {seconds}", flush=True)
        else:
            violation = mutation.violation_of(found)[:_LONGEST_LINE]
            print(f"found without {mutation.name}, {seconds}: {violation}")
            print(f"    {_command(found.seed, mutation.name)}", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != "0":
        # The order of sets of strings decides what happens first: it must be the same in each run.
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, [sys.executable, "-m", "tests.simulation", *sys.argv[1:]])
    sys.exit(main(sys.argv[1:]))

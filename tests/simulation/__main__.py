"""Run worlds, each from its seed: `python -m tests.simulation`, or `nox -s simulate`.

Without arguments: 300 worlds and the mutation table, as in CI. `--release`: 20,000. `--seed 17`
lives one world again and tells its story. `--mutation NAME` switches that safeguard off.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing

from tests.simulation import mutations
from tests.simulation.crowd import lives
from tests.simulation.verdict import Verdict

IN_CI, FOR_A_RELEASE = 300, 20_000
TWICE = 50
"""Each so-manieth seed is lived twice, and both lives have to be the same."""
_SHOWN, _LONGEST_LINE = 3, 160
"""Faults of one world that are printed, and characters of those that were looked for."""


def main(arguments: Sequence[str]) -> int:
    """Run what is asked for; 1 if anything is wrong."""
    options = _parser().parse_args(arguments)
    logging.disable(logging.CRITICAL)  # in these worlds things go wrong all the time
    if options.seed is not None:
        return _tell(options.seed, options.mutation)
    if options.mutation is not None:
        return _find([mutations.named(options.mutation)], options.at_once)
    if options.mutations:
        return _find(mutations.TABLE, options.at_once)
    worlds = FOR_A_RELEASE if options.release else options.worlds
    wrong = _run(range(options.first, options.first + worlds), options.at_once)
    return wrong | _find(mutations.TABLE, options.at_once)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, help="live this world alone, and tell its story")
    parser.add_argument("--first", type=int, default=1, help="seed of the first world")
    parser.add_argument("--worlds", type=int, default=IN_CI, help="how many worlds")
    parser.add_argument("--release", action="store_true", help=f"{FOR_A_RELEASE:,} worlds")
    parser.add_argument("--mutations", action="store_true", help="only the mutation table")
    parser.add_argument("--mutation", help="with this safeguard switched off")
    parser.add_argument("--at-once", type=int, default=os.cpu_count() or 1)
    return parser


def _tell(seed: int, mutation: str | None) -> int:
    """Live one world, and print everything that happened in it."""
    before = mutations.named(mutation).switch_off() if mutation else _nothing
    (verdict,) = lives([seed], at_once=1, before=before)
    print(*verdict.story, sep="\n")
    print(f"\nworld {seed}: {verdict.digest}")
    for fault in verdict.faults:
        print(f"WRONG: {fault}")
    return 1 if verdict.faults else 0


def _nothing() -> None:
    """Switch nothing off."""


def _run(seeds: range, at_once: int) -> int:
    """Live all worlds; print each that is wrong, and how to see it again."""
    began, wrong = time.monotonic(), 0
    total = Verdict(seed=0, faults=[])
    for number, verdict in enumerate(_twice_some(lives(_doubled(seeds), at_once=at_once)), 1):
        total.kills += verdict.kills
        total.vendor_kills += verdict.vendor_kills
        total.requests += verdict.requests
        total.seconds += verdict.seconds
        if verdict.faults:
            wrong += 1
            _print_wrong(verdict)
        if number % 1000 == 0:
            print(f"... {number:,} worlds", flush=True)
    print(
        f"{len(seeds):,} worlds, {total.kills:,} kills of the client's process and"
        f" {total.vendor_kills:,} of the vendor's, {total.requests:,} requests,"
        f" {total.seconds / 3600:,.0f} hours of their time in {time.monotonic() - began:.0f} s:"
        f" {wrong} wrong",
        flush=True,
    )
    return 1 if wrong else 0


def _doubled(seeds: range) -> Iterator[int]:
    for seed in seeds:
        yield seed
        if seed % TWICE == 0:
            yield seed


def _twice_some(verdicts: Iterable[Verdict]) -> Iterator[Verdict]:
    """Hold the two lives of a world against each other; give each world once."""
    firsts: dict[int, Verdict] = {}
    for verdict in verdicts:
        if verdict.seed % TWICE:
            yield verdict
        elif (first := firsts.pop(verdict.seed, None)) is None:
            firsts[verdict.seed] = verdict
        else:
            if first.digest != verdict.digest:
                verdict.faults.append(f"two lives differ: {first.digest} and {verdict.digest}")
            yield verdict


def _print_wrong(verdict: Verdict, mutation: str = "") -> None:
    print(f"world {verdict.seed} is wrong; see it again: {_command(verdict.seed, mutation)}")
    for fault in verdict.faults[:_SHOWN]:
        print(f"    {fault}")
    if len(verdict.faults) > _SHOWN:
        print(f"    and {len(verdict.faults) - _SHOWN} more")
    sys.stdout.flush()


def _command(seed: int, mutation: str = "") -> str:
    """The one command that lives a world again."""
    off = f" --mutation {mutation}" if mutation else ""
    return f"nox -s simulate -- --seed {seed}{off}"


def _find(table: Iterable[mutations.Mutation], at_once: int) -> int:
    """Switch each safeguard off, and see that some world goes wrong."""
    missed = 0
    for mutation in table:
        began = time.monotonic()
        worlds = lives(mutation.seeds(), at_once=at_once, before=mutation.switch_off())
        with closing(worlds):
            found = next(filter(mutation.is_shown_by, worlds), None)
        seconds = f"{time.monotonic() - began:.0f} s"
        if found is None:
            missed += 1
            print(f"NOT FOUND without {mutation.name} ({mutation.why}), {seconds}", flush=True)
        else:
            fault = mutation.fault_of(found)[:_LONGEST_LINE]
            print(f"found without {mutation.name}, {seconds}: {fault}")
            print(f"    {_command(found.seed, mutation.name)}", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != "0":
        # The order of sets of strings decides what happens first: it has to be the same each time.
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, [sys.executable, "-m", "tests.simulation", *sys.argv[1:]])
    sys.exit(main(sys.argv[1:]))

"""The contenders of the benchmark `requests` take turns on both loops; prints JSON.

`BASE_URL PORT`: of the stub, whose own capacity is measured if it serves plain HTTP.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
from contextlib import AsyncExitStack, ExitStack
from typing import Any

from attrs import asdict

from benchmarks.peers.asyncsim_ import asyncsim_client
from benchmarks.peers.bare import bare
from benchmarks.peers.httpx_ import httpx_client
from benchmarks.peers.twilio_ import twilio, twilio_retrying
from benchmarks.peers.verbs import Opener, Verb, Verbs, send
from benchmarks.rounds import Turn, interleave
from benchmarks.stub.process import ceiling
from benchmarks.workers import SPEED, loop_factory

_ROUNDS, _REQUESTS = 7, 1000
_VERBS = ("fetch", "update")
_OPENERS: dict[str, Opener] = {
    "asyncsim": asyncsim_client,
    "bare aiohttp": bare,
    "twilio": twilio,
}


def _measure(base: str, product: str, in_flight: int) -> dict[str, Any]:
    """Measure both verbs of a product."""
    gc.collect()
    gc.freeze()  # keep the others' modules out of full collections
    found: dict[str, Any] = {}
    with ExitStack() as stack:
        plain, fast = (
            stack.enter_context(asyncio.Runner(loop_factory=loop_factory(speed=speed)))
            for speed in (False, True)
        )
        contenders = {
            **{name: (opener, plain) for name, opener in _OPENERS.items()},
            "twilio, retrying": (twilio_retrying, plain),
            **{f"{name}, {SPEED}": (opener, fast) for name, opener in _OPENERS.items()},
        }
        if in_flight == 32:
            contenders["httpx"] = (httpx_client, plain)
        turns: dict[str, dict[str, Turn]] = {verb: {} for verb in _VERBS}
        for name, (opener, runner) in contenders.items():
            verbs = _open(stack, runner, opener, base, in_flight, product)
            for verb in _VERBS:
                turns[verb][name] = _turn(runner, getattr(verbs, verb), in_flight, product)
        for verb in _VERBS:
            slow = {name: turns[verb].pop(name) for name in ("httpx",) if name in turns[verb]}
            if in_flight == 1000:
                for name in ("asyncsim", "twilio"):
                    turns[verb][f"{name}, collector off"] = _uncollected(turns[verb][name])
            samples = interleave(turns[verb], rounds=_ROUNDS, pieces=_REQUESTS)
            # httpx takes more than ten times as long.
            samples |= interleave(slow, rounds=_ROUNDS, pieces=_REQUESTS // 10)
            found[verb] = {name: [asdict(one) for one in all_] for name, all_ in samples.items()}
    return found


def _open(
    stack: ExitStack,
    runner: asyncio.Runner,
    opener: Opener,
    base: str,
    in_flight: int,
    product: str,
) -> Verbs:
    closing = AsyncExitStack()
    verbs = runner.run(closing.enter_async_context(opener(base, in_flight, product)))
    stack.callback(lambda: runner.run(closing.aclose()))
    return verbs


def _turn(runner: asyncio.Runner, verb: Verb, in_flight: int, product: str) -> Turn:
    return lambda requests: runner.run(send(verb, requests, in_flight, product))


def _uncollected(turn: Turn) -> Turn:
    """Show the garbage collector's share of a turn, by disabling it."""

    def quiet(requests: int) -> None:
        gc.disable()
        try:
            turn(requests)
        finally:
            gc.enable()

    return quiet


def main() -> None:
    """Measure 100 in flight for all, and other numbers where the rest costs least."""
    base, port = sys.argv[1], int(sys.argv[2])
    cells = [("wireless", 100), ("supersim", 100)]
    if base.startswith("http:"):
        cells += [("wireless", 32), ("wireless", 1000)]
    found: dict[str, Any] = {"cells": {}}
    for product, in_flight in cells:
        for verb, samples in _measure(base, product, in_flight).items():
            found["cells"][f"{product}, {verb}, {in_flight}"] = samples
    if port:
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            found["ceiling"] = runner.run(ceiling(port))
    print(json.dumps(found))


main()

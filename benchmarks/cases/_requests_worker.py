"""One variant of the benchmark `requests`, in a process of its own; prints JSON."""

from __future__ import annotations

import asyncio
import gc
import json
import sys
from contextlib import AsyncExitStack
from typing import Any

from attrs import asdict

from benchmarks.checking import keeping
from benchmarks.loops import loop_factory
from benchmarks.rounds import Turn, interleave
from benchmarks.stub.process import ceiling
from benchmarks.variants import begin

_AT_ONCE = (32, 100, 1000)
_ROUNDS, _PIECES = 7, 1000
_VERBS = ("fetch", "update")


async def _cells(base: str, in_flight: int) -> dict[str, Any]:
    from benchmarks.peers.bare import bare
    from benchmarks.peers.ours import ours
    from benchmarks.peers.twilio_ import twilio, twilio_retrying

    makers = {
        "asyncsim": ours,
        "bare aiohttp": bare,
        "twilio": twilio,
        "twilio, retrying": twilio_retrying,
    }
    found = {}
    gc.collect()
    gc.freeze()  # the modules of the others, which a full collection for one would go through
    async with AsyncExitStack() as stack:
        open_ = {
            name: await stack.enter_async_context(make(base, in_flight))
            for name, make in makers.items()
        }
        for verb in _VERBS:
            turns = {name: keeping(getattr(one, verb), in_flight) for name, one in open_.items()}
            if in_flight == _AT_ONCE[-1]:
                turns |= {
                    f"{name}, collector off": _uncollected(turns[name])
                    for name in ("asyncsim", "twilio")
                }
            found[f"{verb} {in_flight}"] = await interleave(turns, rounds=_ROUNDS, pieces=_PIECES)
        if in_flight == _AT_ONCE[0]:
            await _slow(base, in_flight, found)
    return {
        cell: {name: [asdict(one) for one in turns] for name, turns in samples.items()}
        for cell, samples in found.items()
    }


def _uncollected(turn: Turn) -> Turn:
    """Show what the garbage collector takes of a turn, by doing without."""

    async def quiet(pieces: int) -> None:
        gc.disable()
        try:
            await turn(pieces)
        finally:
            gc.enable()

    return quiet


async def _slow(base: str, in_flight: int, found: dict[str, Any]) -> None:
    """Httpx takes ten times as long and more: fewer requests, and not in every cell."""
    from benchmarks.peers.httpx_ import httpx_client

    async with httpx_client(base, in_flight) as client:
        for verb in _VERBS:
            turn = {"httpx": keeping(getattr(client, verb), in_flight)}
            found[f"{verb} {in_flight}"] |= await interleave(turn, rounds=_ROUNDS, pieces=100)


async def _all(port: int) -> dict[str, Any]:
    top = await ceiling(port)
    cells: dict[str, Any] = {}
    for in_flight in _AT_ONCE:
        cells |= await _cells(f"http://127.0.0.1:{port}", in_flight)
    return {"ceiling": top, "cells": cells}


def main() -> None:
    """Measure."""
    extra = begin(sys.argv[2])
    with asyncio.Runner(loop_factory=loop_factory(uvloop=extra)) as runner:
        print(json.dumps(runner.run(_all(int(sys.argv[1])))))


main()

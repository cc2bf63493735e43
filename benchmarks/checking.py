"""Many requests at once, each answer held against the SID that was asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from benchmarks.peers.verbs import Verb
from benchmarks.rounds import Turn
from benchmarks.stub.answers import sid


class WrongAnswer(Exception):
    """Somebody got an answer that was meant for another."""


async def _worker(verb: Verb, sids: Iterator[str]) -> None:
    for asked in sids:
        if (got := await verb(asked)) != asked:
            raise WrongAnswer(f"asked for {asked}, got {got}")


def keeping(verb: Verb, in_flight: int) -> Turn:
    """Make a turn that keeps that many in flight until all are done."""

    async def turn(pieces: int) -> None:
        sids = map(sid, range(pieces))  # shared: whoever is free takes the next
        async with asyncio.timeout(120), asyncio.TaskGroup() as group:
            for _ in range(min(in_flight, pieces)):
                group.create_task(_worker(verb, sids))

    return turn

"""The work of every contender: fetch or update a Sim, many times, each response checked."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

from attrs import frozen

from benchmarks.stub.responses import ACCOUNT, sid

TOKEN = "t" * 32
CHANGES: Mapping[str, Mapping[str, Any]] = {
    "supersim": {"status": "active", "fleet": "HF" + "b" * 32},
    "wireless": {"status": "active", "rate_plan": "WP" + "b" * 32},
}
"""What an update asks for, as keywords of asyncsim and of twilio-python."""
FORMS: Mapping[str, dict[str, str]] = {
    "supersim": {"Status": "active", "Fleet": "HF" + "b" * 32},
    "wireless": {"Status": "active", "RatePlan": "WP" + "b" * 32},
}
"""The same as a form."""
__all__ = ["ACCOUNT", "CHANGES", "FORMS", "TOKEN", "Opener", "Verb", "Verbs", "send"]

Verb = Callable[[str], Awaitable[str]]
"""Asks about a SID, returns the SID of the response."""


@frozen
class Verbs:
    """One contender."""

    fetch: Verb
    update: Verb
    """Sets a status, and a Fleet or rate plan."""


Opener = Callable[[str, int, str], AbstractAsyncContextManager[Verbs]]
"""Takes the base URL, how many requests will be in flight, and the product."""


class WrongResponse(Exception):
    """A response was about another SIM than the one asked for."""


async def send(verb: Verb, requests: int, in_flight: int, product: str = "supersim") -> None:
    """Send that many requests, so many at once; `WrongResponse` if one is about another SIM."""

    async def work(sids: Iterator[str]) -> None:
        for asked in sids:
            if (got := await verb(asked)) != asked:
                raise WrongResponse(f"asked for {asked}, got {got}")

    sids = (sid(number, product) for number in range(requests))  # shared by all workers
    async with asyncio.timeout(120), asyncio.TaskGroup() as group:
        for _ in range(min(in_flight, requests)):
            group.create_task(work(sids))

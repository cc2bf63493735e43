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
"""The change of an update, as keywords of asyncsim and twilio-python."""
FORMS: Mapping[str, dict[str, str]] = {
    "supersim": {"Status": "active", "Fleet": "HF" + "b" * 32},
    "wireless": {"Status": "active", "RatePlan": "WP" + "b" * 32},
}
"""The same as a form."""
__all__ = ["ACCOUNT", "CHANGES", "FORMS", "TOKEN", "Opener", "Verb", "Verbs", "send"]

Verb = Callable[[str], Awaitable[str]]
"""Sends a request about a SID and returns the SID of the response."""


@frozen
class Verbs:
    """One contender."""

    fetch: Verb
    update: Verb
    """Sets a status, and a Fleet or rate plan."""


Opener = Callable[[str, int, str], AbstractAsyncContextManager[Verbs]]
"""Takes the base URL, the number of requests in flight, and the product."""


class WrongResponse(Exception):
    """A response was about a SIM other than the one requested."""


async def send(verb: Verb, requests: int, in_flight: int, product: str = "supersim") -> None:
    """Send `requests` requests, `in_flight` at once. Raises `WrongResponse` on a mix-up."""

    async def work(sids: Iterator[str]) -> None:
        for requested in sids:
            if (got := await verb(requested)) != requested:
                raise WrongResponse(f"requested {requested}, got {got}")

    sids = (sid(number, product) for number in range(requests))  # shared by all workers
    async with asyncio.timeout(120), asyncio.TaskGroup() as group:
        for _ in range(min(in_flight, requests)):
            group.create_task(work(sids))

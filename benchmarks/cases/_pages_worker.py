"""One variant of the benchmark `pages`, in a process of its own; prints JSON."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Sequence

from benchmarks.rounds import Turn, interleave
from benchmarks.stub.answers import ACCOUNT, page, sid
from benchmarks.variants import begin

_ROWS, _ROUNDS, _PAGES = 1000, 15, 10

Reader = Callable[[bytes], Sequence[str]]
"""A page to its SIDs, by way of whatever it makes of the rows."""


def _twilio() -> Reader:
    from twilio.http.response import Response
    from twilio.rest import Client
    from twilio.rest.supersim.v1.sim import SimPage

    version = Client(ACCOUNT, "token").supersim.v1
    return lambda body: [one.sid for one in SimPage(version, Response(200, body.decode(), {}))]


def _ours() -> dict[str, Reader]:
    from asyncsim import Client
    from asyncsim.http.transport import Response
    from asyncsim.wire import json as wire

    sims = Client.twilio(ACCOUNT, "token").supersim.sims.resource

    def records(body: bytes) -> list[str]:
        return [row.sid for row in sims.read_page(Response(200, {}, body)).rows]

    def states(body: bytes) -> list[str]:
        rows = sims.read_status_page(Response(200, {}, body)).rows
        return [row.sid for row in rows if row.status]

    def parsed(body: bytes) -> list[str]:
        return [row["sid"] for row in wire.loads(body)["sims"]]

    return {
        "asyncsim, records": records,
        "asyncsim, SID and status": states,
        "JSON alone, as asyncsim reads it": parsed,
    }


def _turn(read: Reader) -> Turn:
    body, expected = page(_ROWS), [sid(one) for one in range(_ROWS)]

    async def turn(pages: int) -> None:
        for _ in range(pages):
            assert read(body) == expected

    return turn


def main() -> None:
    """Measure."""
    begin(sys.argv[1])
    readers = {"twilio": _twilio(), **_ours()}
    turns = {name: _turn(read) for name, read in readers.items()}
    samples = asyncio.run(interleave(turns, rounds=_ROUNDS, pieces=_PAGES))
    print(json.dumps({name: [one.cpu / _ROWS for one in all_] for name, all_ in samples.items()}))


main()

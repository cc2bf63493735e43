"""Contenders of the benchmark `pages` take turns reading a product's page; prints JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from typing import Any

import orjson

from asyncsim import Client
from asyncsim.http.transport import Response
from benchmarks.rounds import Turn, interleave
from benchmarks.stub.responses import ACCOUNT, page, sid

_ROWS, _ROUNDS, _PAGES = 1000, 15, 10

Reader = Callable[[bytes], Sequence[str]]
"""Read a page and return its SIDs, through whatever the contender makes of the rows."""


def _twilio(product: str) -> Reader:
    from twilio.http.response import Response
    from twilio.rest import Client
    from twilio.rest.supersim.v1.sim import SimPage as SuperSimPage
    from twilio.rest.wireless.v1.sim import SimPage as WirelessPage

    pages: dict[str, Any] = {"supersim": SuperSimPage, "wireless": WirelessPage}
    version = getattr(Client(ACCOUNT, "token"), product).v1
    return lambda body: [
        one.sid for one in pages[product](version, Response(200, body.decode(), {}))
    ]


def _asyncsim(product: str) -> dict[str, Reader]:
    sims: Any = getattr(Client.twilio(ACCOUNT, "token"), product).sims.resource

    def records(body: bytes) -> list[str]:
        return [row.sid for row in sims.read_page(Response(200, {}, body)).rows]

    def statuses(body: bytes) -> list[str]:
        rows = sims.read_status_page(Response(200, {}, body)).rows
        return [row.sid for row in rows if row.status]

    return {"asyncsim, records": records, "asyncsim, SID and status": statuses}


def _orjson(body: bytes) -> list[str]:
    return [row["sid"] for row in orjson.loads(body)["sims"]]


def main() -> None:
    """Measure and print."""
    product = sys.argv[1]
    body, expected = page(_ROWS, product), [sid(one, product) for one in range(_ROWS)]

    def turn_of(read: Reader) -> Turn:
        def turn(pages: int) -> None:
            for _ in range(pages):
                assert read(body) == expected

        return turn

    readers = {"twilio": _twilio(product), **_asyncsim(product), "orjson, dicts": _orjson}
    turns = {name: turn_of(read) for name, read in readers.items()}
    samples = interleave(turns, rounds=_ROUNDS, pieces=_PAGES)
    print(json.dumps({name: [one.cpu / _ROWS for one in all_] for name, all_ in samples.items()}))


main()

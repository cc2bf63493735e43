"""An account of very many Super SIMs, computed from their numbers instead of being kept.

Not the emulator, whose SIMs are real records: a million of those would be most of the machine.
Changes take `SECONDS`; nothing is ever refused.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections import OrderedDict

import orjson
from aiohttp import web

SECONDS = 1.0
_PAGE = 1000


def sid_of(number: int) -> str:
    return f"HS{number:032x}"


def number_of(request: web.Request) -> int:
    return int(request.match_info["sid"].removeprefix("HS"), 16)


def iccid_of(number: int) -> str:
    """Nineteen digits of which the last one is the Luhn digit."""
    body = f"898830{number:012d}"
    total = 0
    for place, digit in enumerate(reversed(body)):
        value = int(digit) * (2 if place % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return f"{body}{-total % 10}"


class Account:
    def __init__(self, sims: int) -> None:
        self.sims = sims
        self.active = bytearray(sims)
        self.pending: OrderedDict[int, float] = OrderedDict()
        self.requests = {"GET": 0, "POST": 0}

    def settle(self) -> None:
        now = time.monotonic()
        while self.pending and next(iter(self.pending.values())) <= now:
            number, _ = self.pending.popitem(last=False)
            self.active[number] = 1

    def row(self, number: int) -> dict[str, object]:
        status = "active" if self.active[number] else "new"
        return {
            "sid": sid_of(number),
            "unique_name": None,
            "account_sid": "AC" + "0" * 32,
            "iccid": iccid_of(number),
            "status": "scheduled" if number in self.pending else status,
            "fleet_sid": None,
            "date_created": "2026-01-01T00:00:00Z",
            "date_updated": "2026-01-01T00:00:00Z",
            "url": None,
            "links": None,
        }

    async def list(self, request: web.Request) -> web.Response:
        self.requests["GET"] += 1
        self.settle()
        page = int(request.query.get("Page", "0"))
        first, last = page * _PAGE, (page + 1) * _PAGE
        if request.query.get("Status") == "scheduled":
            wanted = list(self.pending)
            numbers, more = wanted[first:last], last < len(wanted)
        else:
            numbers, more = list(range(first, min(last, self.sims))), last < self.sims
        query = {**request.query, "Page": str(page + 1)}
        following = str(request.url.with_query(query)) if more else None
        meta = {"key": "sims", "page": page, "page_size": _PAGE, "next_page_url": following}
        return _json({"sims": [self.row(number) for number in numbers], "meta": meta})

    async def fetch(self, request: web.Request) -> web.Response:
        self.requests["GET"] += 1
        self.settle()
        return _json(self.row(number_of(request)))

    async def update(self, request: web.Request) -> web.Response:
        self.requests["POST"] += 1
        number = number_of(request)
        self.pending[number] = time.monotonic() + SECONDS
        return _json(self.row(number), 202)


def _json(value: object, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(value), status=status, content_type="application/json")


async def serve(sims: int) -> None:
    account = Account(sims)
    application = web.Application()
    application.router.add_get("/v1/Sims", account.list)
    application.router.add_get("/v1/Sims/{sid}", account.fetch)
    application.router.add_post("/v1/Sims/{sid}", account.update)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        print(runner.addresses[0][1], flush=True)
        await asyncio.to_thread(sys.stdin.read)  # until whoever started this goes away
    finally:
        await runner.cleanup()
    print(orjson.dumps(account.requests).decode(), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--sims", type=int, required=True)
    asyncio.run(serve(parser.parse_args().sims))

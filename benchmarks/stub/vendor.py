"""A vendor: an account behind HTTP, with latency and a concurrency limit."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Callable
from functools import partial
from math import log

from attrs import define, field, frozen

from benchmarks.stub.account import Account
from benchmarks.stub.protocol import Write
from benchmarks.stub.responses import response

_SIMS = "/v1/Sims"
_TOO_MANY = response(429, b'{"code": 20429, "message": "Too Many Requests", "status": 429}')
_REFUSAL = 0.1  # of the time of a request


@frozen(kw_only=True)
class Terms:
    """How a vendor behaves; in seconds."""

    sims: int
    settles: float = 0.2
    """Median of the time that a change takes."""
    sigma: float = 0.0
    """Spread of that time, which is lognormal; 0: all take the same."""
    takes: float = 0.0
    """A request."""
    at_once: int = 0
    """Its concurrency limit; 0: none."""


def changing(terms: Terms) -> Callable[[int], float]:
    """Tell how long the change of each Sim takes: the same for every client that asks."""
    if not terms.sigma:
        return lambda number: terms.settles
    return lambda number: random.Random(number).lognormvariate(log(terms.settles), terms.sigma)


@define
class Vendor:
    """Answers requests; an `Answer` of `benchmarks.stub.protocol`."""

    terms: Terms
    account: Account = field(init=False)
    counts: dict[str, int] = field(factory=lambda: {"GET": 0, "POST": 0, "throttled": 0})
    _under_way: int = 0

    def __attrs_post_init__(self) -> None:
        """Open the account."""
        self.account = Account(self.terms.sims, changing(self.terms), time.monotonic)

    def __call__(self, request: bytes, write: Write) -> None:
        """Answer, once the time of the request is over."""
        if request.startswith(b"GET /counts"):
            write(response(200, json.dumps(self.counts).encode()))
        elif self.terms.at_once and self._under_way >= self.terms.at_once:
            self.counts["throttled"] += 1
            self._later(_REFUSAL, partial(write, _TOO_MANY))
        else:
            self._under_way += 1
            said = self._said(request)
            self._later(1.0, partial(self._end, said, write))

    def _later(self, share: float, call: Callable[[], None]) -> None:
        if self.terms.takes:
            asyncio.get_running_loop().call_later(share * self.terms.takes, call)
        else:
            call()

    def _end(self, said: bytes, write: Write) -> None:
        self._under_way -= 1
        write(said)

    def _said(self, request: bytes) -> bytes:
        method, target, _ = request[: request.find(b"\r\n")].decode().split(" ")
        self.counts[method] += 1
        path, _, query = target.partition("?")
        if path == _SIMS:
            return response(200, self._list(query.split("&"), request))
        number = int(path[len(_SIMS) + 3 :], 16)
        if method == "POST":
            return response(202, self.account.update(number))
        return response(200, self.account.fetch(number))

    def _list(self, query: list[str], request: bytes) -> bytes:
        asked = dict(one.split("=") for one in query)
        page = int(asked.pop("Page", 0))
        host = request[request.lower().find(b"\r\nhost:") + 7 :].split(b"\r\n", 1)[0]
        rest = "&".join(f"{name}={value}" for name, value in asked.items())
        base = f"http://{host.decode().strip()}{_SIMS}?{rest}"
        if "Iccid" in asked:
            return self.account.named(asked["Iccid"])
        return self.account.page(page, pending="Status" in asked, base=base)

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
_THROTTLE_SHARE = 0.1  # of a request's duration


@frozen(kw_only=True)
class Terms:
    """Behaviour of a vendor, in seconds."""

    sims: int
    settles: float = 0.2
    """Median duration of a change."""
    sigma: float = 0.0
    """Spread of that lognormal duration; 0: all changes take the same time."""
    takes: float = 0.0
    """Duration of a request."""
    concurrency: int = 0
    """Concurrency limit; 0: none."""


def changing(terms: Terms) -> Callable[[int], float]:
    """Duration of each Sim's change, the same for every client."""
    if not terms.sigma:
        return lambda number: terms.settles
    return lambda number: random.Random(number).lognormvariate(log(terms.settles), terms.sigma)


@define
class Vendor:
    """Responds to requests; a `Handler` of `benchmarks.stub.protocol`."""

    terms: Terms
    account: Account = field(init=False)
    counts: dict[str, int] = field(factory=lambda: {"GET": 0, "POST": 0, "throttled": 0})
    _in_flight: int = 0

    def __attrs_post_init__(self) -> None:
        """Open the account."""
        self.account = Account(self.terms.sims, changing(self.terms), time.monotonic)

    def __call__(self, request: bytes, write: Write) -> None:
        """Respond after the request's duration."""
        if request.startswith(b"GET /counts"):
            write(response(200, json.dumps(self.counts).encode()))
        elif self.terms.concurrency and self._in_flight >= self.terms.concurrency:
            self.counts["throttled"] += 1
            self._later(_THROTTLE_SHARE, partial(write, _TOO_MANY))
        else:
            self._in_flight += 1
            self._later(1.0, partial(self._end, self._execute(request), write))

    def _later(self, share: float, call: Callable[[], None]) -> None:
        if self.terms.takes:
            asyncio.get_running_loop().call_later(share * self.terms.takes, call)
        else:
            call()

    def _end(self, body: bytes, write: Write) -> None:
        self._in_flight -= 1
        write(body)

    def _execute(self, request: bytes) -> bytes:
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
        params = dict(one.split("=") for one in query)
        page = int(params.pop("Page", 0))
        host = request[request.lower().find(b"\r\nhost:") + 7 :].split(b"\r\n", 1)[0]
        rest = "&".join(f"{name}={value}" for name, value in params.items())
        base = f"http://{host.decode().strip()}{_SIMS}?{rest}"
        if "Iccid" in params:
            return self.account.by_iccid(params["Iccid"])
        return self.account.page(page, pending="Status" in params, base=base)

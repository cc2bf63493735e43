"""HTTP/1.1 for the account: delayed responses, and 429s above its limit."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable

from benchmarks.live.account import Account
from benchmarks.stub.protocol import Write
from benchmarks.stub.responses import Canned, response, sim

_THROTTLE_SECONDS = 0.005  # seconds, model time
_THROTTLED = response(429, b'{"code": 20429, "message": "too many requests", "status": 429}')
_NAME = re.compile(rb"/v1/Sims/(HS[0-9a-f]{32})")
_PAGE = re.compile(rb"[?&]Page=(\d+)")
_STATUS = re.compile(rb"[?&]Status=(\w+)")
_STATES = ("ready", "scheduled", "active")
_SHOWN = {state: Canned(200, state) for state in _STATES}
_ACCEPTED = Canned(202, "scheduled")
_MARK = "@sid@"
_ROWS = {state: json.dumps(sim(_MARK, state)) for state in _STATES}


class VendorHandler:
    """Responds to each request after its delay; a `Handler` of `benchmarks.stub.protocol`."""

    def __init__(self, account: Account) -> None:
        self._account = account

    def __call__(self, request: bytes, write: Write) -> None:
        """Respond, with 429 if all slots are taken."""
        line = request[: request.find(b"\r\n")]
        if line.startswith(b"GET /meter"):
            account = self._account
            counted = {"meter": account.meter, "settled": account.settled}
            write(response(200, json.dumps(counted).encode()))
        elif not self._account.enter():
            _later(_THROTTLE_SECONDS / self._account.pace.faster, write, lambda: _THROTTLED)
        else:
            self._serve(line, write)

    def _serve(self, line: bytes, write: Write) -> None:
        name = _NAME.search(line)
        if name is None:
            body, seconds = self._list(line)
            _later(seconds, write, lambda: self._free(body))
        elif line.startswith(b"POST"):
            _later(self._account.seconds(), write, lambda: self._free(self._update(name[1])))
        else:
            shown = self._fetch(name[1])  # as it is when the vendor starts the request
            _later(self._account.seconds(), write, lambda: self._free(shown))

    def _free(self, body: bytes) -> bytes:
        self._account.busy -= 1
        return body

    def _update(self, name: bytes) -> bytes:
        self._account.update(name.decode())
        return _ACCEPTED.about(name)

    def _fetch(self, name: bytes) -> bytes:
        self._account.meter["GET"] += 1
        return _SHOWN[self._account.status(name.decode())].about(name)

    def _list(self, line: bytes) -> tuple[bytes, float]:
        at, status = _PAGE.search(line), _STATUS.search(line)
        number, wanted = int(at[1]) if at else 0, status[1] if status else b""
        rows, more = self._account.page(number, wanted)
        chosen = f"&Status={wanted.decode()}" if wanted else ""
        query = f"PageSize=1000&Page={number + 1}{chosen}"
        following = f"https://supersim.twilio.com/v1/Sims?{query}" if more else None
        meta = json.dumps({"key": "sims", "page": number, "next_page_url": following})
        sims = ",".join(_ROWS[state].replace(_MARK, name) for name, state in rows)
        body = f'{{"meta": {meta}, "sims": [{sims}]}}'.encode()
        return response(200, body), self._account.seconds(len(rows))


def _later(seconds: float, write: Write, make: Callable[[], bytes]) -> None:
    asyncio.get_running_loop().call_later(seconds, lambda: write(make()))

"""An account of up to millions of Sims, computed from their numbers.

Not the emulator, whose Sims are full records: a million of those would fill the memory.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any

from benchmarks.stub.responses import sid, sim

PAGE = 1000
_SIM = json.dumps({**sim("%(sid)s", "%(status)s"), "iccid": "%(iccid)s"}).encode()
_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)  # digit sum of twice a digit


def iccid(number: int) -> str:
    """Make the ICCID of the n-th Sim: nineteen digits of which the last one is the Luhn digit."""
    body = f"898830{number:012d}"
    total = sum(map(int, body[-2::-2])) + sum(_DOUBLED[int(digit)] for digit in body[::-2])
    return f"{body}{-total % 10}"


class Account:
    """Sims, initially `new`; an update makes one `active` after a delay."""

    def __init__(
        self, sims: int, takes: Callable[[int], float], clock: Callable[[], float]
    ) -> None:
        self._active = bytearray(sims)
        self._pending: dict[int, None] = {}
        self._due: list[tuple[float, int]] = []
        self._takes = takes
        self._clock = clock

    def update(self, number: int) -> bytes:
        """Start a change of one Sim."""
        self._settle()
        self._active[number] = 0
        if number not in self._pending:
            self._pending[number] = None
            heappush(self._due, (self._clock() + self._takes(number), number))
        self._settle()  # a change that takes no time shows in its response
        return self._text(number)

    def fetch(self, number: int) -> bytes:
        """Return one Sim."""
        self._settle()
        return self._text(number)

    def by_iccid(self, name: str) -> bytes:
        """List the Sim with an ICCID."""
        self._settle()
        return b'{"meta": %b, "sims": [%b]}' % (_meta(0, None), self._text(int(name[6:-1])))

    def page(self, page: int, *, pending: bool, base: str) -> bytes:
        """One page of all Sims, or of the pending ones."""
        self._settle()
        wanted = list(self._pending) if pending else range(len(self._active))
        first, last = page * PAGE, min((page + 1) * PAGE, len(wanted))
        rows = b", ".join(map(self._text, wanted[first:last]))
        more = f"{base}&Page={page + 1}" if last < len(wanted) else None
        return b'{"meta": %b, "sims": [%b]}' % (_meta(page, more), rows)

    def _settle(self) -> None:
        now = self._clock()
        while self._due and self._due[0][0] <= now:
            number = heappop(self._due)[1]
            del self._pending[number]
            self._active[number] = 1

    def _text(self, number: int) -> bytes:
        settled = b"active" if self._active[number] else b"new"
        status = b"scheduled" if number in self._pending else settled
        return _SIM % {
            b"sid": sid(number).encode(),
            b"iccid": iccid(number).encode(),
            b"status": status,
        }


def _meta(page: int, following: str | None) -> bytes:
    meta: dict[str, Any] = {"key": "sims", "page": page, "page_size": PAGE}
    return json.dumps({**meta, "next_page_url": following}).encode()

"""Who is connected to a receiver, and who has to go when there are too many. No sockets here."""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import Generic, TypeVar

_YOUNG = 0.1  # seconds in which a new connection's request is read, also under a flood
_PROVE_WITHIN = 15.0  # seconds; both vendors hang up after as many (Twilio docs, error 11205)
_RESERVED = 5.0  # seconds for which an idle connection is sure of its place
_KEPT = 130.0  # seconds for which a connection may be idle, or stuck in a response nobody reads

_Peer = TypeVar("_Peer")


class Crowd(Generic[_Peer]):
    """Open connections in the order in which they may be closed.

    One is *proven* once a request of it was accepted: that takes a ticket, so whoever has none
    cannot take the places of a proxy's pool, whatever he sends.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._unproven: OrderedDict[_Peer, float] = OrderedDict()
        """With the moment it came; the oldest first."""
        self._proven: OrderedDict[_Peer, float] = OrderedDict()
        """With the moment of its latest accepted request; idle for longest first."""

    def __len__(self) -> int:
        return len(self._unproven) + len(self._proven)

    def came(self, peer: _Peer, now: float) -> None:
        """Take in a new connection."""
        self._unproven[peer] = now

    def served(self, peer: _Peer, now: float) -> None:
        """A request of it was accepted."""
        if peer in self._proven:
            self._proven[peer] = now
            self._proven.move_to_end(peer)
        elif self._unproven.pop(peer, None) is not None:
            self._proven[peer] = now

    def left(self, peer: _Peer) -> None:
        """It is closed, or being closed; harmless when that is known."""
        self._unproven.pop(peer, None)
        self._proven.pop(peer, None)

    @property
    def yields_at(self) -> float:
        """From when on one can be closed in favour of a new one: those first that are unproven."""
        if self._unproven:
            return next(iter(self._unproven.values())) + _YOUNG
        if self._proven:
            return next(iter(self._proven.values())) + _RESERVED
        return math.inf

    def make_room(self, now: float) -> _Peer | None:
        """Take out the one to close in favour of a new one; None while all are busy."""
        if now < self.yields_at:
            return None
        line = self._unproven or self._proven
        return line.popitem(last=False)[0] if line else None

    @property
    def due_at(self) -> float:
        """When the first one will have been idle for too long."""
        ends = (
            next(iter(line.values())) + seconds
            for line, seconds in ((self._unproven, _PROVE_WITHIN), (self._proven, _KEPT))
            if line
        )
        return min(ends, default=math.inf)

    def take_overdue(self, now: float) -> list[_Peer]:
        """Take out those that have been idle for too long."""
        overdue = []
        for line, seconds in ((self._unproven, _PROVE_WITHIN), (self._proven, _KEPT)):
            while line and next(iter(line.values())) + seconds <= now:
                overdue.append(line.popitem(last=False)[0])
        return overdue

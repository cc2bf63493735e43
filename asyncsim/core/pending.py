"""What is kept of one wait while it is pending: a hundred thousand of them should weigh little."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from typing import Any, TypeVar

from asyncsim.core.goal import Goal
from asyncsim.core.slim import Chosen, Mark, Rare
from asyncsim.events import SettledBy

V = TypeVar("V")


class Pending:
    """What is kept of one wait. `sink` is called once, at the end, with the wait itself.

    Small, as there may be very many: a new attribute belongs among the marks or the rare ones,
    unless most pending waits have a value of their own for it.
    """

    __slots__ = (
        "answer_date",
        "answered_at",
        "goal",
        "last",
        "marks",
        "name",
        "nonce",
        "rare",
        "requests",
        "sid",
        "sink",
        "started",
        "tag",
        "terms",
    )

    name: str
    """As addressed: SID or unique name."""
    goal: Goal
    started: float
    """On the clock, as are all moments here."""
    terms: tuple[float, float]
    """`timeout` and `stale_for`: one pair for all that have the same."""
    sink: Callable[[Any], None]
    tag: Any
    """Whatever its owner knows it by."""
    nonce: str | None
    """Of the ticket in its callback URL; None when no callback is expected."""
    sid: str | None
    answer_date: datetime | None
    answered_at: float | None
    last: Any
    """The record as last seen."""
    requests: int
    """POSTs and single reads sent for this SIM alone."""
    marks: int
    rare: dict[str, Any] | None

    # What a pending wait may have comes first: numbers up to 256 take no room at all.
    trusting: Mark = Mark(0)
    """Whether a signed callback is enough, without a read to confirm it."""
    lean: Mark = Mark(1)
    """Whether pending records are not kept: of very many waits they would weigh the most."""
    listed: Mark = Mark(2)
    """The watcher's: a sweep tells about it."""
    counted: Mark = Mark(3)
    """The watcher's: and it is among those that expect a callback."""
    heard: Mark = Mark(4)
    """A callback has come, so none needs to be waited for."""
    called: Mark = Mark(5)
    strict: Mark = Mark(6)
    """Nothing was sent for it, so there is no answer that could be older than a read."""
    slow: Mark = Mark(7)
    confirmed: Mark = Mark(8)
    done: Mark = Mark(9)
    settled_by: Chosen[SettledBy] = Chosen(10, "answer", "callback", "sweep", "read")

    off_since: Rare[float | None] = Rare(None)
    hold_until: Rare[float] = Rare(0.0)
    problem: Rare[tuple[int | None, str | None] | None] = Rare(None)
    reads: Rare[int] = Rare(0)
    trouble: Rare[Exception | None] = Rare(None)
    """Why the latest read failed; the cause of a timeout."""
    resumed_at: Rare[float | None] = Rare(None)
    """When somebody went on with it, if that was not at the answer of its POST."""
    error: Rare[Exception | None] = Rare(None)

    def __init__(
        self,
        *,
        name: str,
        goal: Goal,
        started: float,
        timeout: float,
        sink: Callable[[Any], None],
        trusting: bool = False,
        strict: bool = False,
        heard: bool = False,
        lean: bool = False,
        stale_for: float = 10.0,
        nonce: str | None = None,
        sid: str | None = None,
        answer_date: datetime | None = None,
        answered_at: float | None = None,
    ) -> None:
        self.name, self.sid, self.nonce, self.goal, self.sink = name, sid, nonce, goal, sink
        self.started, self.terms = started, shared((timeout, stale_for))
        self.answer_date, self.answered_at = answer_date, answered_at
        self.last = self.rare = self.tag = None
        self.requests = self.marks = 0
        self.trusting, self.strict, self.heard, self.lean = trusting, strict, heard, lean

    def __repr__(self) -> str:
        """Without the nonce, which is as good as the ticket."""
        return f"{type(self).__name__}({self.shown!r}, {dict(self.goal.described)!r})"

    @property
    def timeout(self) -> float:
        """Seconds from the answer of the POST on."""
        return self.terms[0]

    @property
    def stale_for(self) -> float:
        """Seconds for which a settled read that misses the target may be an old copy."""
        return self.terms[1]

    @property
    def deadline(self) -> float | None:
        """When to give up; None while its POST is on its way, which has deadlines of its own."""
        since = self.answered_at if self.resumed_at is None else self.resumed_at
        return None if since is None else since + self.timeout

    @property
    def expecting(self) -> bool:
        """Whether a callback may still come."""
        return self.nonce is not None and not self.heard

    @property
    def shown(self) -> str:
        """What messages call it: as it was addressed, or the SID of what was created."""
        kind = self.goal.kind
        return self.name if kind.named else self.sid or f"the new {kind.noun}"

    @property
    def is_unanswered(self) -> bool:
        """Whether its POST is still on its way."""
        return self.answered_at is None and not self.strict

    def identify(self, record: Any) -> None:
        """Take over the SID of a record."""
        if self.sid != record.sid:  # else ours, which its name and the register share
            self.sid = self.name if record.sid == self.name else record.sid


@lru_cache(maxsize=1024)
def shared(value: V) -> V:
    """Return an equal value that is there already: vendors' dates are to the second."""
    return value

"""How far one row of a job has come; the words stand in journals, results and events."""

from __future__ import annotations

import enum


class State(enum.StrEnum):
    """Where a row is on its way."""

    READ = "read"
    """In the journal, not looked up yet."""
    READY = "ready"
    """Planned: it needs a request, none has been sent."""
    SENDING = "sending"
    """Its request is on the wire, or was when the last run ended: whether it was done is open."""
    ACCEPTED = "accepted"
    """The vendor has accepted it; the SIM has not settled yet."""
    TIMED_OUT = "timed out"
    """It did not settle before its deadline; the vendor may still finish it."""
    NO_ANSWER = "no answer"
    """The vendor could not be reached, or failed; the next look tells what has become of it."""
    ALREADY = "already"
    """It was at its goal before anything was sent."""
    DONE = "done"
    """This job has brought it to its goal."""
    FAILED = "failed"
    """Refused by the vendor, or settled elsewhere."""
    IMPOSSIBLE = "impossible"
    """The plan says that no request would help: unknown SIM, illegal transition. None was sent."""
    UNKNOWN = "unknown"
    """Sent, the answer was lost, and sending it again might do it twice."""


SUCCEEDED = frozenset({State.ALREADY, State.DONE})
IN_DOUBT = frozenset({State.SENDING, State.ACCEPTED, State.TIMED_OUT, State.NO_ANSWER})
"""Something was sent; a look at the SIM comes before anything else is."""
OPEN = frozenset({State.READ, State.READY, State.IMPOSSIBLE}) | IN_DOUBT
"""What a new run of the job looks at again. IMPOSSIBLE: nothing was sent, and SIMs may appear."""
UNFINISHED = OPEN - {State.IMPOSSIBLE}
"""What makes a job resumable."""


class Verdict(enum.StrEnum):
    """What the plan says of a row."""

    ALREADY = "already there"
    CHANGE = "will change"
    BUSY = "being changed"
    """Another change of it is running: it is waited for, then looked at again."""
    ILLEGAL = "illegal transition"
    UNKNOWN = "unknown SIM"
    TERMINAL = "terminal"
    """`canceled` or `deleted`: nothing leads out of there."""
    UNREADABLE = "unreadable"
    """What the vendor shows of it cannot be read, so what it needs is not known."""


HOPELESS = frozenset({Verdict.ILLEGAL, Verdict.UNKNOWN, Verdict.TERMINAL, Verdict.UNREADABLE})

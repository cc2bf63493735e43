"""Records of a job: its rows, their states and verdicts, and what the journal counts."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from attrs import field, frozen

from asyncsim.events import SettledBy

# The values of `State` and `Verdict` are stored: another spelling would make the journals and
# results of earlier versions unreadable.


class State(enum.StrEnum):
    """How far a row has come."""

    READ = "read"
    """In the journal, not planned yet."""
    READY = "ready"
    """Planned: it needs a request, none has been sent."""
    SENDING = "sending"
    """Its request is in flight, or was when the last run ended: the outcome is unknown."""
    ACCEPTED = "accepted"
    """The vendor has accepted it; the SIM has not settled yet."""
    TIMED_OUT = "timed out"
    """It did not settle before its deadline; the vendor may still finish it."""
    NO_ANSWER = "no answer"
    """No response, or an error of the vendor's; the next plan reads what became of it."""
    ALREADY = "already"
    """It was at its goal before anything was sent."""
    DONE = "done"
    """This job brought it to its goal."""
    FAILED = "failed"
    """Rejected by the vendor, or settled elsewhere."""
    IMPOSSIBLE = "impossible"
    """No request would help: unknown SIM, illegal transition. None was sent."""
    # Only texts end like this. No vendor documents an idempotency key, so a create cannot be sent
    # a second time to ask for the lost response of the first.
    UNKNOWN = "unknown"
    """Sent without a response, and a resend might do it twice."""


SUCCEEDED = frozenset({State.ALREADY, State.DONE})
IN_DOUBT = frozenset({State.SENDING, State.ACCEPTED, State.TIMED_OUT, State.NO_ANSWER})
"""Something was sent; the SIM is read before anything else is sent."""
OPEN = frozenset({State.READ, State.READY, State.IMPOSSIBLE}) | IN_DOUBT
"""What a new run plans again. IMPOSSIBLE, too: nothing was sent, and SIMs may appear."""
UNFINISHED = OPEN - {State.IMPOSSIBLE}
"""What makes a job resumable."""


class Verdict(enum.StrEnum):
    """What the plan says of a row."""

    ALREADY = "already there"
    CHANGE = "will change"
    BUSY = "being changed"
    """Another change of its SIM is in flight: that has to settle first, then it is read again."""
    ILLEGAL = "illegal transition"
    UNKNOWN = "unknown SIM"
    TERMINAL = "terminal"
    """`canceled` or `deleted`, which are irreversible."""
    UNREADABLE = "unreadable"
    """The vendor's record of its SIM cannot be read, so what it needs is not known."""


@frozen
class Hopeless:
    """Why no request would help a row, and what its owner can do."""

    reason: str
    """`{status}` stands for the status in which its SIM was found."""
    remedy: str


HOPELESS: Mapping[Verdict, Hopeless] = {
    # "A Sim resource's status can only be updated to ready if it is currently new" (Twilio docs,
    # "Sim Resource").
    Verdict.ILLEGAL: Hopeless(
        "no request leads there from {status!r}",
        "move the SIM to a status from which its goal can be reached, then run the same command"
        " again",
    ),
    Verdict.UNKNOWN: Hopeless(
        "not in this account and product",
        "check the name; once the SIM is there, run the same command again",
    ),
    # `canceled` 72 hours after `deactivated`, for good (KORE docs, "Wireless Sim Resource").
    Verdict.TERMINAL: Hopeless(
        "no request leads out of {status!r}", "the status is irreversible: leave the SIM out"
    ),
    Verdict.UNREADABLE: Hopeless(
        "the vendor's record of it cannot be read",
        "nothing was sent, as its status is not known: report it to the vendor, then run the same"
        " command again",
    ),
}
"""Verdicts that leave a row IMPOSSIBLE, in the words of results, reports and errors."""

Naming = Literal["sid", "iccid", "unique_name"]
"""Which kind of name a row has for its SIM."""


@frozen(kw_only=True)
class Row:
    """One row of the input."""

    number: int
    """Its place in the input, from 1."""
    # Apart from the number, because a quoted cell may hold line breaks.
    line: int
    """Line of the file; of other input, the number."""
    name: str
    naming: Naming
    # Sorting one column of a spreadsheet pairs every SID with the ICCID of another SIM.
    iccid: str | None = None
    """Its ICCID where its SID is the name: both must belong to one SIM."""
    change: Mapping[str, Any] | None = None
    """Keywords of this row, which override the job's; None: it has none."""
    cells: tuple[str, ...] | None = None
    """The input's columns as they came, for the results; None where it had only names."""


@frozen(kw_only=True)
class Entry:
    """A row that is not finished, as the journal holds it."""

    number: int
    line: int
    name: str
    naming: Naming
    change: Mapping[str, Any] | None
    state: State
    iccid: str | None = None
    """Its ICCID where its SID is the name."""
    sid: str | None = None
    """SID, once the SIM was found."""
    verdict: Verdict | None = None
    before: str | None = None
    """Status in which the plan found it."""
    accepted_at: datetime | None = None
    """When the vendor accepted what this job sent, by our clock, in UTC."""
    reference: str | None = None
    """SID of what was created (a Command)."""
    sent: bool = False
    """A request may have gone out for it in an earlier run of this job."""
    approved: bool = False
    """Its change is confirmed, even if it is irreversible."""


@frozen(kw_only=True)
class Ending:
    """How a row ended, or where it was left."""

    state: State
    status: str | None = None
    """Status as last seen."""
    error: Exception | None = None
    settled_by: SettledBy | None = None
    confirmed: bool = False
    requests: int = 0
    """POSTs and single reads for this row alone, in this run."""
    seconds: float | None = None
    """From when this run took up the row."""
    sid: str | None = None
    reference: str | None = None


@frozen(kw_only=True)
class Result:
    """A row with all that is known of it; results files are written from these."""

    number: int
    line: int
    name: str
    naming: Naming
    change: Mapping[str, Any] | None
    cells: tuple[str, ...] | None
    state: State
    verdict: Verdict | None
    sid: str | None
    before: str | None
    status: str | None
    error_type: str | None
    error: str | None
    settled_by: SettledBy | None
    confirmed: bool
    requests: int
    """In all runs of the job."""
    seconds: float | None
    accepted_at: datetime | None
    ended_at: datetime | None
    reference: str | None
    error_parts: str | None = field(default=None, repr=False)
    """The error itself, for `failures.load`; None where only its text is known."""


@frozen(kw_only=True)
class Head:
    """What a journal belongs to: two jobs that differ in one of these are different jobs."""

    product: str
    action: str
    change: Mapping[str, Any]
    vendor: str
    account: str
    """Account SID or client id, and the base URL of the product; no secret."""
    label: str
    """Name of the input: `batch-42.csv`."""


@frozen(kw_only=True)
class Planned:
    """The plan's verdict on one row, and the state that it leaves the row in."""

    number: int
    verdict: Verdict
    state: State
    sid: str | None = None
    before: str | None = None
    """Status in which the plan found it."""
    note: str | None = None
    """Why, in words."""


@frozen(kw_only=True)
class Duplicate:
    """A name that several rows have, or the SID of a SIM that several rows name."""

    name: str
    lines: tuple[int, ...]
    """The first five."""
    times: int
    conflicting: bool
    """The rows ask for different things."""


@frozen(kw_only=True)
class JobRun:
    """One run of the job, from `begin_run` to `end_run`."""

    number: int
    started_at: datetime
    ended_at: datetime | None
    """None: it is running, or was killed."""
    reason: str | None
    """Why it stopped early."""
    pid: int
    host: str


@frozen(kw_only=True)
class FailureGroup:
    """All rows whose error is of one class."""

    error_type: str
    """Name of the class."""
    rows: int
    sample: str
    """Text of the first row's error."""


@frozen(kw_only=True)
class Statistics:
    """What a report counts, over the whole job."""

    rows: int
    states: Mapping[State, int]
    """Only those that occur."""
    failures: Mapping[str, FailureGroup]
    """By class of error."""
    impossible: Mapping[Verdict, int]
    """Verdicts of the rows in state IMPOSSIBLE."""
    settled_by: Mapping[SettledBy, int]
    """Of the rows in state DONE, as the rest below."""
    confirmed: int
    unconfirmed: int
    # Of DONE rows alone: a row that timed out shows the deadline, and not the vendor's speed.
    p50: float | None
    """Seconds from taking up a row to its end; None where no row is DONE."""
    p95: float | None
    p99: float | None
    slowest: float | None
    # List scans and sweeps serve all rows at once, so none of them has a share in those.
    requests: int
    """Requests for single rows, in all runs."""
    requests_done: int
    """Those of them for rows that are DONE."""

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
    """Progress of a row."""

    READ = "read"
    """In the journal, not planned yet."""
    READY = "ready"
    """Planned: it needs a request, none has been sent."""
    SENDING = "sending"
    """Its request is in flight, or was when the last run ended: the outcome is unknown."""
    ACCEPTED = "accepted"
    """The vendor has accepted the change; the SIM has not settled yet."""
    TIMED_OUT = "timed out"
    """It did not settle before its deadline; the vendor may still finish it."""
    NO_ANSWER = "no answer"
    """No response, or an error of the vendor's; the next plan reads the outcome."""
    ALREADY = "already"
    """The SIM was at its target before anything was sent."""
    DONE = "done"
    """This job brought it to its target."""
    FAILED = "failed"
    """Rejected by the vendor, or settled in another status."""
    IMPOSSIBLE = "impossible"
    """No request would help: unknown SIM, illegal transition. None was sent."""
    # Only texts end in this state. No vendor documents an idempotency key, so a create cannot be
    # resent to get the lost response of the first.
    UNKNOWN = "unknown"
    """Sent without a response; a resend might carry it out twice."""


SUCCEEDED = frozenset({State.ALREADY, State.DONE})
IN_DOUBT = frozenset({State.SENDING, State.ACCEPTED, State.TIMED_OUT, State.NO_ANSWER})
"""Something was sent; the SIM is read before anything else is sent."""
OPEN = frozenset({State.READ, State.READY, State.IMPOSSIBLE}) | IN_DOUBT
"""States that a new run plans again. IMPOSSIBLE, too: nothing was sent, and SIMs may appear."""
UNFINISHED = OPEN - {State.IMPOSSIBLE}
"""States that make a job resumable."""
SENT = frozenset(State) - {State.READ, State.READY, State.IMPOSSIBLE, State.ALREADY}
"""States of rows that something was sent for."""
FAILURES = frozenset({State.FAILED, State.UNKNOWN})
"""What `max_failures` counts, of jobs of workers: a row without a response is sent again."""


class Verdict(enum.StrEnum):
    """The plan's verdict on a row."""

    ALREADY = "already there"
    CHANGE = "will change"
    BUSY = "being changed"
    """Another change of its SIM is pending: it has to settle first, then the SIM is read again."""
    ILLEGAL = "illegal transition"
    UNKNOWN = "unknown SIM"
    TERMINAL = "terminal"
    """`canceled` or `deleted`, which are irreversible."""
    UNREADABLE = "unreadable"
    """The vendor's record of its SIM cannot be read, so the needed change is unknown."""


@frozen
class Hopeless:
    """Why no request would help a row, and the remedy."""

    reason: str
    """`{status}` stands for the SIM's status."""
    remedy: str


HOPELESS: Mapping[Verdict, Hopeless] = {
    # "A Sim resource's status can only be updated to ready if it is currently new" (Twilio docs,
    # "Sim Resource").
    Verdict.ILLEGAL: Hopeless(
        "no request leads there from {status!r}",
        "move the SIM to a status from which its target can be reached, then run the same command"
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
        "nothing was sent because its status is unknown: report it to the vendor, then run the same"
        " command again",
    ),
}
"""Verdicts that leave a row IMPOSSIBLE, in the words of results, reports and errors."""

Naming = Literal["sid", "iccid", "unique_name"]
"""The kind of name by which a row names its SIM."""


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
    """Its ICCID, if its name is the SID: both must belong to one SIM."""
    change: Mapping[str, Any] | None = None
    """Keywords of this row, which override the job's; None if there are none."""
    cells: tuple[str, ...] | None = None
    """The input's cells, unchanged, for the results; None if it had only names."""


@frozen(kw_only=True)
class Entry:
    """An unfinished row, as stored in the journal."""

    number: int
    line: int
    name: str
    naming: Naming
    change: Mapping[str, Any] | None
    state: State
    iccid: str | None = None
    """Its ICCID, if its name is the SID."""
    sid: str | None = None
    """SID, once the SIM has been found."""
    verdict: Verdict | None = None
    before: str | None = None
    """Status in which the plan found it."""
    accepted_at: datetime | None = None
    """When the vendor accepted the change, by our clock, in UTC."""
    reference: str | None = None
    """SID of the created resource (a Command)."""
    sent: bool = False
    """An earlier run of this job may have sent a request for it."""
    approved: bool = False
    """Its irreversible change has been confirmed."""


@frozen(kw_only=True)
class Ending:
    """How a row ended, or in which state it was left."""

    state: State
    status: str | None = None
    """Status as last seen."""
    error: Exception | None = None
    settled_by: SettledBy | None = None
    confirmed: bool = False
    requests: int = 0
    """POSTs and single reads for this row alone, in this run."""
    seconds: float | None = None
    """Seconds since this run started the row."""
    sid: str | None = None
    reference: str | None = None


@frozen(kw_only=True)
class Result:
    """A row with its outcome; results files are written from these."""

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
    """The error itself, for `failures.load`; None if only its text is known."""


@frozen(kw_only=True)
class Head:
    """The identity of a journal's job: jobs that differ in one of these are different jobs."""

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
    """The plan's verdict on one row, and the row's new state."""

    number: int
    verdict: Verdict
    state: State
    sid: str | None = None
    before: str | None = None
    """Status in which the plan found it."""
    note: str | None = None
    """The reason, as text."""


@frozen(kw_only=True)
class Duplicate:
    """A name that occurs in several rows, or the SID of a SIM that several rows name."""

    name: str
    lines: tuple[int, ...]
    """The first five."""
    times: int
    conflicting: bool
    """The rows request different changes."""


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


class JobState(enum.StrEnum):
    """What is being done with a job."""

    READING = "reading"
    """Its input is being read into the journal."""
    PLANNED = "planned"
    """Its input is complete; no worker has it yet."""
    RUNNING = "running"
    """Workers take its chunks."""
    PAUSED = "paused"
    """Nothing new is sent until it is resumed."""
    CANCELLED = "cancelled"
    """Workers leave it alone."""
    FINISHED = "finished"
    """All of its chunks are done."""
    PURGING = "purging"
    """It is being deleted."""


WHOLE_JOB = 0
"""The number of the chunk that stands for all rows of a job."""


@frozen
class ChunkClaim:
    """A chunk that one process owns; its writes are rejected once another epoch has begun."""

    job_id: int
    number: int
    """`WHOLE_JOB` for all rows."""
    owner: str
    epoch: int


@frozen
class ChunkRef:
    """A chunk in a queue, and whose credentials it needs."""

    job_id: int
    number: int
    account: str
    """As `account_key` spells it."""


def account_key(vendor: str, product: str, account: str) -> str:
    """Return the key of an account: a client with this key can work on its jobs."""
    return f"{vendor} {product} {account}"


@frozen(kw_only=True)
class FailureGroup:
    """All rows whose errors have one class."""

    error_type: str
    """Name of the class."""
    rows: int
    sample: str
    """Text of the first row's error."""


@frozen(kw_only=True)
class Statistics:
    """The counts of a report, over the whole job."""

    rows: int
    states: Mapping[State, int]
    """Rows by state; only states that occur."""
    failures: Mapping[str, FailureGroup]
    """Failures by class of error."""
    impossible: Mapping[Verdict, int]
    """Verdicts of the rows in state IMPOSSIBLE."""
    settled_by: Mapping[SettledBy, int]
    """Rows in state DONE, as are all fields below."""
    confirmed: int
    unconfirmed: int
    # DONE rows only: a row that timed out shows the deadline rather than the vendor's speed.
    p50: float | None
    """Seconds from starting a row to its end; None if no row is DONE."""
    p95: float | None
    p99: float | None
    slowest: float | None
    # List scans and sweeps serve all rows at once, so they are not attributed to single rows.
    requests: int
    """Requests for single rows, in all runs."""
    requests_done: int
    """Those of them for rows that are DONE."""

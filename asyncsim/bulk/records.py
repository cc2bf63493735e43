"""Records of a job: its rows, their states and verdicts, and what the journal counts."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from attrs import field, frozen

from asyncsim.events import SettledBy


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


Naming = Literal["sid", "iccid", "unique_name"]
"""What the name of a row is."""


@frozen(kw_only=True)
class Row:
    """One row of the input."""

    number: int
    """Its place in the input, from 1."""
    line: int
    """Line of the file; of other input, the number."""
    name: str
    naming: Naming
    iccid: str | None = None
    """Its ICCID where its SID is the name: both have to mean one SIM."""
    change: Mapping[str, Any] | None = None
    """Keywords of this row alone; they come on top of the job's. None: no own ones."""
    cells: tuple[str, ...] | None = None
    """The input's columns as they came, for the results; None where it had only names."""


@frozen(kw_only=True)
class Entry:
    """A row that has not ended, as the journal holds it."""

    number: int
    line: int
    name: str
    naming: Naming
    change: Mapping[str, Any] | None
    state: State
    iccid: str | None = None
    """What the row says of its SIM beside the SID that is its name."""
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
    """A request of this job may have gone out for it in an earlier run."""
    approved: bool = False
    """Somebody has agreed that it is changed, even if that is for ever."""


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
    """From the moment it was taken up in this run."""
    sid: str | None = None
    reference: str | None = None


@frozen(kw_only=True)
class Result:
    """A row with all that is known of it; what results files are written from."""

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
    """Whose a journal is: two jobs that differ in one of these are not the same."""

    product: str
    action: str
    change: Mapping[str, Any]
    vendor: str
    account: str
    """A short digest, no secret."""
    label: str
    """Of the input: `batch-42.csv`."""


@frozen(kw_only=True)
class Planned:
    """What the plan says of one row."""

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
    """A name that several rows have, or a SIM that several rows mean."""

    name: str
    lines: tuple[int, ...]
    """The first five."""
    times: int
    conflicting: bool
    """The rows ask for different things."""


@frozen(kw_only=True)
class Run:
    """One run of the job, from `begin_run` to `end_run`."""

    number: int
    started_at: datetime
    ended_at: datetime | None
    """None: it goes on, or was killed."""
    reason: str | None
    """Why it stopped early."""
    pid: int
    host: str


@frozen(kw_only=True)
class FailureGroup:
    """All rows that one class of error has."""

    error_type: str
    """Name of the class."""
    rows: int
    sample: str
    """Text of the first row's."""


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
    p50: float | None
    """Seconds from taking a row up to its end; None where no row is DONE."""
    p95: float | None
    p99: float | None
    slowest: float | None
    requests: int
    """Requests for single rows, in all runs."""
    requests_done: int
    """Those of them for rows that are DONE."""

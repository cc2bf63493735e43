"""What goes into a journal and comes out of it, apart from the rows themselves."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from attrs import frozen

from asyncsim.bulk.states import State, Verdict
from asyncsim.events import SettledBy


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
class Repeated:
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
class Failures:
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
    failures: Mapping[str, Failures]
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

"""Events: frozen records of what happened, and the protocol of observers.

Observers cannot change an outcome. One that raises is logged and otherwise ignored. No event
carries a secret: paths of callbacks are shown without their ticket.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

from attrs import frozen

logger = logging.getLogger("asyncsim")

SettledBy = Literal["answer", "callback", "sweep", "read"]
"""How it was seen to settle: in the POST's own response, a callback, a list page, a single read."""


@frozen(kw_only=True)
class RequestFinished:
    """One HTTP request ended; `status` is None when no response came."""

    method: str
    product: str
    path: str
    status: int | None
    seconds: float
    attempt: int
    error: str | None = None


@frozen(kw_only=True)
class RequestRetried:
    """A request will be retried after `delay` seconds, for `reason`."""

    method: str
    path: str
    attempt: int
    delay: float
    reason: str


@frozen(kw_only=True)
class LimitChanged:
    """A 429 lowered the concurrency limit."""

    limit: float
    in_flight: int


@frozen(kw_only=True)
class TokenMinted:
    """A KORE access token was fetched; `generation` counts them."""

    generation: int
    expires_in: float


@frozen(kw_only=True)
class ForeignPage:
    """A `next_page_url` pointed elsewhere; only its query was used, on our own base URL."""

    origin: str
    expected: str


@frozen(kw_only=True)
class CallbackReceived:
    """A callback with a valid ticket came in; `signed`: its signature was verified."""

    vendor: str
    product: str
    name: str
    status: str | None
    signed: bool
    duplicate: bool = False


@frozen(kw_only=True)
class CallbackRefused:
    """A callback was rejected with this HTTP status, for `reason`."""

    status: int
    reason: str


@frozen(kw_only=True)
class WaitSettled:
    """A wait ended; `error` is the class name of its error, None if the target was reached."""

    product: str
    name: str
    settled_by: SettledBy | None
    seconds: float
    requests: int
    error: str | None = None


@frozen(kw_only=True)
class UnknownStatus:
    """A SIM has an undocumented status, which counts as pending. Sent once for each status."""

    product: str
    name: str
    """Its SID."""
    status: str


@frozen(kw_only=True)
class SweepFinished:
    """One sweep, or one scan of the whole list (`walk`), ended."""

    product: str
    pages: int
    rows: int
    settled: int
    walk: bool


@frozen(kw_only=True)
class SweepingStopped:
    """The list cannot be relied on, temporarily or permanently, so single reads take over."""

    product: str
    reason: str


@frozen(kw_only=True)
class JobProgressed:
    """A bulk job progressed in `phase`: reading, planning, sending, verifying."""

    phase: str
    done: int
    """Rows, so far."""
    total: int | None
    """Rows, None while unknown."""


@frozen(kw_only=True)
class JobPlanned:
    """A bulk job has read the state of all its SIMs."""

    rows: int
    """In the whole job."""
    verdicts: Mapping[str, int]
    """Verdict -> rows that this run has planned: `will change`, `already there`, ..."""
    requests: int
    """How long planning took."""


@frozen(kw_only=True)
class RowMoved:
    """One row of a bulk job is in another state; the fields after `state` are set when it ends."""

    row: int
    """Number in the input, from 1."""
    name: str
    sid: str | None
    state: str
    status: str | None = None
    error: str | None = None
    """Class name of the error."""
    message: str | None = None
    settled_by: SettledBy | None = None
    requests: int = 0
    seconds: float | None = None


@frozen(kw_only=True)
class JobEnded:
    """A run of a bulk job is over; `reason` says why it stopped early, None if it did not."""

    states: Mapping[str, int]
    """State -> rows of the whole job."""
    seconds: float
    reason: str | None = None


Event = (
    RequestFinished
    | RequestRetried
    | LimitChanged
    | TokenMinted
    | ForeignPage
    | CallbackReceived
    | CallbackRefused
    | WaitSettled
    | UnknownStatus
    | SweepFinished
    | SweepingStopped
    | JobProgressed
    | JobPlanned
    | RowMoved
    | JobEnded
)


class Observer(Protocol):
    """Any callable that takes an event; called in the event loop, so it must not block."""

    def __call__(self, event: Event, /) -> object:
        """Handle one event."""
        ...


def notify(observers: Sequence[Observer], event: Event) -> None:
    """Notify all observers; one that raises is logged, and does not affect the operation."""
    for observer in observers:
        try:
            observer(event)
        except Exception:
            logger.exception("observer %r raised on %s", observer, type(event).__name__)

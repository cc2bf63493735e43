"""Events: frozen records of what happened, and the protocol of observers.

Observers cannot change an outcome. One that raises is logged and otherwise ignored. No event
carries a secret: paths of callbacks are shown without their ticket.

`vendor`, `product`, `resource` and `operation` have few values each, so they may be labels of
metrics; `path` and `name` hold SIDs. A field that was added later has a default, so that code that
builds events keeps working.

Events are msgspec Structs: twenty attrs classes would take 9 ms of `import asyncsim` to create.
`msgspec.structs.asdict` gives the fields of one.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Literal, Protocol, runtime_checkable

from msgspec import Struct

logger = logging.getLogger("asyncsim")

SettledBy = Literal["answer", "callback", "sweep", "read"]
"""How it was seen to settle: in the POST's own response, a callback, a list page, a single read."""


class CallStarted(Struct, frozen=True, kw_only=True):
    """A public call began, or a sweep: `CallEnded` with this `id` ends it.

    Both are sent in the context of the caller; the events of its requests come in between, in
    the same context or in a copy of it.
    """

    vendor: str
    product: str
    call: str
    """Resource and verb: `sims.update_and_wait`, `sims.list` (one page), `sims.update_many`;
    `bulk.run`, `sims.sweep`, `mint_token`."""
    id: int
    """Identifies it in this process."""


class CallEnded(Struct, frozen=True, kw_only=True):
    """A call ended; `error` is the class name of what it raised."""

    vendor: str
    product: str
    call: str
    id: int
    seconds: float
    error: str | None = None


class RequestStarted(Struct, frozen=True, kw_only=True):
    """One HTTP request is about to be sent; `RequestFinished` follows in the same context."""

    vendor: str
    product: str
    operation: str
    """Method and path without names: `POST /v1/Sims/{sid}`."""
    method: str
    path: str
    host: str
    port: int | None
    attempt: int
    """1 for the first; a retry is a request of its own."""
    request: int
    """Identifies it in this process until it is finished."""


class RequestFinished(Struct, frozen=True, kw_only=True):
    """One HTTP request ended; `status` is None when no response came."""

    method: str
    product: str
    path: str
    status: int | None
    seconds: float
    attempt: int
    error: str | None = None
    """Why no response came, or none that could be used."""
    vendor: str = ""
    operation: str = ""
    """As in `RequestStarted`."""
    error_type: str | None = None
    """Class name of the error: `RequestTimeout`, `ConnectionFailed`, `CancelledError`, ..."""
    limit: float | None = None
    """The concurrency limit after this response: it grows with responses, without other events."""
    in_flight: int | None = None
    """Requests that are still in flight, of all clients that share the throttle."""
    request: int = 0
    """As in `RequestStarted`."""


class RequestRetried(Struct, frozen=True, kw_only=True):
    """A request will be retried after `delay` seconds, for `reason`."""

    method: str
    path: str
    attempt: int
    delay: float
    reason: str
    vendor: str = ""
    product: str = ""
    operation: str = ""
    """As in `RequestStarted`."""


class LimitChanged(Struct, frozen=True, kw_only=True):
    """A 429 lowered the concurrency limit; `RequestFinished.limit` shows its growth."""

    limit: float
    in_flight: int
    vendor: str = ""


class TokenMinted(Struct, frozen=True, kw_only=True):
    """A KORE access token was fetched; `generation` counts them."""

    generation: int
    expires_in: float
    """Seconds."""
    vendor: str = ""


class ForeignPage(Struct, frozen=True, kw_only=True):
    """A `next_page_url` pointed elsewhere; only its query was used, on our own base URL."""

    origin: str
    expected: str
    vendor: str = ""
    product: str = ""


class CallbackReceived(Struct, frozen=True, kw_only=True):
    """A callback with a valid ticket came in; `signed`: its signature was verified."""

    vendor: str
    product: str
    name: str
    status: str | None
    signed: bool
    duplicate: bool = False


class CallbackRefused(Struct, frozen=True, kw_only=True):
    """A callback was rejected with this HTTP status, for `reason`; it proves no vendor."""

    status: int
    reason: str


class WaitStarted(Struct, frozen=True, kw_only=True):
    """A wait began, before its POST; `WaitSettled` or `WaitAbandoned` with this `wait` ends it."""

    vendor: str
    product: str
    resource: str
    """What is awaited: `sims`, `sms_commands`, ..."""
    name: str
    """SID or unique name; for a create, which has none yet, a name of our own."""
    wait: int
    """Identifies it in this process until it ends."""


class WaitSettled(Struct, frozen=True, kw_only=True):
    """A wait ended; `error` is the class name of its error, None if the target was reached."""

    product: str
    name: str
    settled_by: SettledBy | None
    seconds: float
    requests: int
    """POSTs and single reads for it alone."""
    error: str | None = None
    vendor: str = ""
    resource: str = ""
    wait: int = 0
    """As in `WaitStarted`."""


class WaitAbandoned(Struct, frozen=True, kw_only=True):
    """A wait was dropped: its task was cancelled, its fan-out closed, or its POST rejected."""

    vendor: str
    product: str
    resource: str
    name: str
    seconds: float
    wait: int


class UnknownStatus(Struct, frozen=True, kw_only=True):
    """A SIM has an undocumented status, which counts as pending. Sent once for each status."""

    product: str
    name: str
    """Its SID."""
    status: str
    vendor: str = ""


class SweepFinished(Struct, frozen=True, kw_only=True):
    """One sweep, or one scan of the whole list (`walk`), ended."""

    product: str
    pages: int
    rows: int
    settled: int
    walk: bool
    vendor: str = ""


class SweepingStopped(Struct, frozen=True, kw_only=True):
    """The list cannot be relied on, temporarily or permanently, so single reads take over."""

    product: str
    reason: str
    vendor: str = ""


class JobProgressed(Struct, frozen=True, kw_only=True):
    """A bulk job progressed in `phase`: reading, planning, sending, verifying."""

    phase: str
    done: int
    """Rows, so far."""
    total: int | None
    """Rows, None while unknown."""
    vendor: str = ""
    product: str = ""


class JobPlanned(Struct, frozen=True, kw_only=True):
    """A bulk job has read the state of all its SIMs."""

    rows: int
    """In the whole job."""
    verdicts: Mapping[str, int]
    """Verdict -> rows that this run has planned: `will change`, `already there`, ..."""
    requests: int
    """How many planning took."""
    billable: int = 0
    """SIMs for which a monthly fee starts."""
    vendor: str = ""
    product: str = ""


class RowMoved(Struct, frozen=True, kw_only=True):
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
    vendor: str = ""
    product: str = ""


class JobEnded(Struct, frozen=True, kw_only=True):
    """A run of a bulk job is over; `reason` says why it stopped early, None if it did not."""

    states: Mapping[str, int]
    """State -> rows of the whole job."""
    seconds: float
    reason: str | None = None
    vendor: str = ""
    product: str = ""


class ChunkTaken(Struct, frozen=True, kw_only=True):
    """A worker has claimed a chunk of a submitted job; chunk 0 is the verification of the job."""

    job: str
    """Its name."""
    chunk: int
    vendor: str = ""
    product: str = ""


class ChunkEnded(Struct, frozen=True, kw_only=True):
    """A worker has finished a chunk, or handed it back; `reason` says why."""

    job: str
    chunk: int
    seconds: float
    reason: str | None = None
    """`drained`, `paused`, `lease lost`, ...: another worker continues; None: it is done."""
    vendor: str = ""
    product: str = ""


Event = (
    CallStarted
    | CallEnded
    | RequestStarted
    | RequestFinished
    | RequestRetried
    | LimitChanged
    | TokenMinted
    | ForeignPage
    | CallbackReceived
    | CallbackRefused
    | WaitStarted
    | WaitSettled
    | WaitAbandoned
    | UnknownStatus
    | SweepFinished
    | SweepingStopped
    | JobProgressed
    | JobPlanned
    | RowMoved
    | JobEnded
    | ChunkTaken
    | ChunkEnded
)


class Observer(Protocol):
    """Any callable that takes an event; called in the event loop, so it must not block.

    One whose attribute `enabled` is false when a client opens is not notified by that client.
    """

    def __call__(self, event: Event, /) -> object:
        """Handle one event."""
        ...


class ObservedClient(Protocol):
    """The numbers that an observer may read from a client at any time, in any thread."""

    @property
    def vendor(self) -> Named:
        """The vendor, with its name."""
        ...

    @property
    def throttle(self) -> object:
        """The same object for all clients that share `concurrency_limit` and `in_flight`."""
        ...

    @property
    def concurrency_limit(self) -> float:
        """The current concurrency limit."""
        ...

    @property
    def in_flight(self) -> int:
        """Requests in flight."""
        ...

    @property
    def queued_requests(self) -> int:
        """Requests of this client that wait for a slot."""
        ...

    @property
    def pending_waits(self) -> int:
        """Waits of this client that have not ended."""
        ...

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        ...


class Named(Protocol):
    """Anything with a name."""

    @property
    def name(self) -> str:
        """The name."""
        ...


@runtime_checkable
class ClientObserver(Protocol):
    """An observer that also reads numbers from the clients to which it was given."""

    def __call__(self, event: Event, /) -> object:
        """Handle one event."""
        ...

    def add_client(self, client: ObservedClient, /) -> object:
        """Take note of a client, when it is created; do not keep it alive."""
        ...


def notify(observers: Sequence[Observer], event: Event) -> None:
    """Notify all observers; one that raises is logged, and does not affect the operation."""
    for observer in observers:
        try:
            observer(event)
        except Exception:
            logger.exception("observer %r raised on %s", observer, type(event).__name__)

"""State machine of one wait: facts go in, the next step comes out. No clock, no await.

Only these end a wait: a current read, or an accepted callback, at the target; a current read in a
final status off the target; proof that the SIM is gone or that this client may not read it; the
deadline. All other facts mean "not known yet". A wait that has ended never opens again.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from typing import Any, TypeVar

import attrs
from attrs import define, field

from asyncsim.core.credentials import REJECTIONS
from asyncsim.core.goal import Goal, GoalStatus, reported_error
from asyncsim.errors import (
    APIError,
    ConfigurationError,
    NotFound,
    PermissionDenied,
    TransitionFailed,
    TransitionTimeout,
)
from asyncsim.events import SettledBy

V = TypeVar("V")

SOON = 1.0  # seconds until the next read after a certainly stale copy, or a repeated callback
LONGEST_HOLD = 30.0  # the longest such pause
# Times `stale_for`: how long a stale-looking copy must stay the same to be believed. Whether
# `date_updated` moves when a transition settles is undocumented, so a late one may look stale.
_LASTS = 6.0
_READS = 3  # that must agree on a stale copy, a 404 or a rejection: one may be a bad replica's


class NextStep(enum.Enum):
    """What the watcher should do next with a wait."""

    WAIT = "wait"
    """Poll as planned."""
    READ = "read"
    """Read it now."""
    READ_LATER = "read later"
    """Read it at `hold_until`, not before."""
    READ_SELDOM = "read seldom"
    """Settled on the way; the rest takes hours: single reads at the longest interval."""
    DONE = "done"


@define(eq=False, repr=False, kw_only=True, weakref_slot=False)  # 100,000 may exist at once
class Transition:
    """A wait for one SIM, written by its methods only. All times are the clock's."""

    name: str
    """The addressed name: SID or unique name."""
    goal: Goal
    started: float
    timeout: float
    """Seconds, counted from the response to the POST."""
    stale_for: float = 10.0
    """Seconds for which a settled read that misses the target may be stale."""
    on_done: Callable[[Any], None]
    """Called once, with the wait, when it ends."""
    owner_data: Any = None
    """The owner's own data, by which it identifies the wait."""
    context: Any = None
    """The context variables of its single reads; None: of whatever requests them."""
    nonce: str | None = None
    """The nonce of the ticket in its callback URL; None if no callback is expected."""
    sid: str | None = None
    response_date: datetime | None = None
    """The vendor's date in the response to the POST."""
    accepted_at: float | None = None
    """When that response arrived."""
    accepts_signed: bool = False
    """Whether a signed callback is enough, without a read to confirm it."""
    no_request: bool = False
    """No POST was sent for it, so no read can be older than its response."""
    callback_seen: bool = False
    """A callback has arrived, so none is expected any more."""
    drops_records: bool = False
    """Whether pending records are dropped: they take most of the memory of very many waits."""
    seen_before: bool = False
    """Whether this client has seen the SIM, so that a 404 may be temporary."""
    last: Any = field(init=False, default=None)
    """The record last seen."""
    status: str | None = field(init=False, default=None)
    """Its status, kept even if the record is dropped."""
    requests: int = field(init=False, default=0)
    """POSTs and single reads sent for this SIM alone."""
    reads: int = field(init=False, default=0)
    failures: int = field(init=False, default=0)
    """Consecutive failed reads."""
    resumed_at: float | None = field(init=False, default=None)
    """When it was resumed, if it was not started by the response to its POST."""
    read_at: float | None = field(init=False, default=None)
    """When the watcher reads it next; None if sweeps or a callback cover it."""
    last_read_until: float | None = field(init=False, default=None)
    """After its deadline: until when the last read may take."""
    in_sweep: bool = field(init=False, default=False)
    """Whether sweeps cover it, so that it needs no single reads."""
    counted_as_expecting: bool = field(init=False, default=False)
    """Whether the sweep counts it among those that expect a callback."""
    callback_pending: bool = field(init=False, default=False)
    """A callback reported that it has settled, and no read has contradicted it."""
    signed_at: float | None = field(init=False, default=None)
    """When a signed callback of this change reported the target status."""
    failure_signed: bool = field(init=False, default=False)
    """A signed callback of this change reported a failure."""
    callback_reads: int = field(init=False, default=0)
    """Reads triggered by callbacks."""
    next_callback_read_at: float = field(init=False, default=0.0)
    """When a callback may trigger the next one."""
    callback_read_done: bool = field(init=False, default=False)
    """A callback of this change has had its immediate read."""
    callback_read_due: bool = field(init=False, default=False)
    """A callback came too soon after another: its read follows at `next_callback_read_at`."""
    intermediate: bool = field(init=False, default=False)
    """Settled on the way to `until`, which it reaches without a request."""
    read_singly: bool = field(init=False, default=False)
    """In a status that no sweep lists."""
    rejected_at: float | None = field(init=False, default=None)
    """When a read of it was last rejected with 401 or 403."""
    evidence: tuple[object, float, int] | None = field(init=False, default=None)
    """Evidence against the target: what, since when, in how many consecutive reads."""
    hold_until: float = field(init=False, default=0.0)
    callback_error: tuple[int | None, str | None] | None = field(init=False, default=None)
    """Error code and message from a callback of this change."""
    last_error: Exception | None = field(init=False, default=None)
    """Why the latest read failed; the cause of a timeout."""
    done: bool = field(init=False, default=False)
    confirmed: bool = field(init=False, default=False)
    settled_by: SettledBy | None = field(init=False, default=None)
    error: Exception | None = field(init=False, default=None)

    def __repr__(self) -> str:
        """Without the nonce, which is as sensitive as the ticket."""
        return f"{type(self).__name__}({self.label!r}, {dict(self.goal.description)!r})"

    @property
    def deadline(self) -> float | None:
        """When it times out; None while its POST is in flight, which has its own deadlines."""
        if self.last_read_until is not None:
            return self.last_read_until
        since = self.accepted_at if self.resumed_at is None else self.resumed_at
        return None if since is None else since + self.timeout

    @property
    def expects_callback(self) -> bool:
        """Whether a callback may still arrive."""
        return self.nonce is not None and not self.callback_seen

    @property
    def label(self) -> str:
        """Its name in messages: the addressed name, or the SID of the created resource."""
        kind = self.goal.kind
        return self.name if kind.has_unique_names else self.sid or f"the new {kind.noun}"

    @property
    def post_pending(self) -> bool:
        """Whether its POST is still in flight."""
        return self.accepted_at is None and not self.no_request

    @property
    def was_accepted(self) -> bool:
        """Whether it waits for a change by this client that was accepted."""
        return self.accepted_at is not None and not self.no_request

    # Set by its owner and the watcher.

    def count_requests(self, number: int) -> None:
        """Count requests for this SIM alone."""
        self.requests += number

    def hand_over(
        self, owner_data: Any, on_done: Callable[[Transition], None], started: float
    ) -> None:
        """Hand it to another owner, who passes when its change began."""
        self.owner_data, self.on_done, self.started = owner_data, on_done, started

    def resume(self, now: float) -> None:
        """Continue a wait whose POST was accepted earlier, or that never had one."""
        self.resumed_at = now
        if self.no_request and self.accepted_at is None:
            self.accepted_at = now  # lists requested from now on show it

    def learn_sid(self, sid: str) -> None:
        """Take over a SID, keeping the string that its name shares with the index if it can."""
        if self.sid != sid:
            self.sid = self.name if sid == self.name else sid

    def schedule_read(self, moment: float | None) -> None:
        """Set when it is read next; None: no single read is due."""
        self.read_at = moment

    def begin_read(self) -> None:
        """Count a read that is sent."""
        self.callback_read_due = False
        self.reads += 1
        self.requests += 1

    def begin_last_read(self, until: float) -> None:
        """The deadline has passed: one more read, which may take until then."""
        self.last_read_until = until
        self.drops_records = False  # the last record is needed for the error and the outcome

    def join_sweep(self) -> None:
        """Let sweeps cover it."""
        self.in_sweep, self.counted_as_expecting = True, self.expects_callback

    def leave_sweep(self) -> None:
        """Read it singly again."""
        self.in_sweep = False

    # Events.

    def accepted(self, record: Any, now: float) -> NextStep:
        """Process the response to the POST; too late if a callback has ended the wait already."""
        self.accepted_at, self.seen_before = now, True
        self.response_date = interned(record.date_updated)
        self.learn_sid(record.sid)
        if self.done:
            return NextStep.DONE
        early = self.callback_pending
        step = self._take(record, now, "answer")
        if early and step in (NextStep.WAIT, NextStep.READ_SELDOM):
            # An early callback waited for this response: reads are compared with its date.
            self.callback_pending = True
            return NextStep.READ
        return step

    def accepted_unread(self, error: Exception, now: float) -> NextStep:
        """Record that the POST was processed, although its response could not be read."""
        self.last_error, self.accepted_at, self.seen_before = error, now, True
        return NextStep.DONE if self.done else NextStep.READ

    def callback_received(
        self,
        status: str | None,
        now: float,
        *,
        signed: bool,
        current: bool = True,
        code: int | None = None,
        message: str | None = None,
    ) -> NextStep:
        """Process a callback whose ticket names this SIM.

        `current`: the ticket is this wait's own; `signed`: it is, and its signature proves it.
        """
        if self.done:
            return NextStep.DONE
        if status in self.goal.kind.pending:
            return NextStep.WAIT
        if current and (code is not None or message):  # an older ticket's is an older change's
            self.callback_error = (code, message)
            self.failure_signed |= signed
        self.callback_pending = True
        self.callback_seen |= current
        targets = self.goal.targets
        on_target = status in targets or not targets
        proves = signed and self.callback_error is None
        if proves and on_target:
            self.signed_at = now
        if self.post_pending and not self.goal.kind.has_unique_names:
            return NextStep.WAIT  # only the response to the POST has the SID to read
        # Before the POST's own response there is no record to return, so one is read.
        has_record = self.last is not None or (self.drops_records and not self.post_pending)
        enough = proves and self.accepts_signed and self.goal.status_only
        if enough and status in targets and has_record:
            self.last = self.last and attrs.evolve(self.last, status=status)
            return self._end("callback", confirmed=False)
        first = current and on_target and not self.callback_read_done
        self.callback_read_done |= first
        # Repeated callbacks trigger ever fewer reads: anyone may replay a valid URL.
        if now < self.next_callback_read_at and not first:
            self.callback_read_due = True
            return self._hold(self.next_callback_read_at)
        pause = min(SOON * 2.0 ** min(self.callback_reads, 60), LONGEST_HOLD)
        self.next_callback_read_at = now + pause
        self.callback_reads += 1
        return NextStep.READ

    def read(
        self, record: Any, now: float, source: SettledBy = "read", *, began: float | None = None
    ) -> NextStep:
        """Process a record from a single read or a list, whose request `began` then."""
        if self.done:
            return NextStep.DONE
        self.seen_before = True
        self.learn_sid(record.sid)
        self.last_error = self.rejected_at = None
        self.failures = 0
        sent = now if began is None else began
        # A read proves something only if it was certainly sent after the change was accepted.
        known_from = [at for at in (self.signed_at, self.accepted_at) if at is not None]
        if not self.no_request and not any(sent >= at for at in known_from):
            return NextStep.WAIT
        return self._take(record, now, "callback" if self.callback_pending else source)

    def read_rejected(self, now: float, last_success_at: float) -> bool:
        """Record that a read of it was rejected with 401 or 403.

        True when the reason is this SIM, because other requests have succeeded since its last one.
        """
        before, self.rejected_at = self.rejected_at, now
        return before is not None and last_success_at >= before

    def read_failed(self, error: Exception, now: float, *, own: bool = False) -> NextStep:
        """Process the failure of a read; `own`: other requests of this client succeed meanwhile."""
        if self.done:
            return NextStep.DONE
        self.last_error = error
        self.failures += 1
        if self.post_pending:
            return NextStep.WAIT  # the response to its POST decides
        if isinstance(error, ConfigurationError):  # the session is closed: nothing is ever read
            return self.abort(error)
        if isinstance(error, NotFound):
            # A replica may not know a SIM yet that another one has shown.
            gone = self._lasts(NotFound, now, self.stale_for, _READS) or not self.seen_before
            return self.abort(error) if gone else NextStep.WAIT
        if isinstance(error, REJECTIONS):
            lasts = self._lasts(PermissionDenied, now, self.stale_for, _READS)
            return self.abort(_as_permission_denied(error)) if lasts and own else NextStep.WAIT
        return NextStep.WAIT

    def _take(self, record: Any, now: float, source: SettledBy) -> NextStep:
        self.last, self.status = record, record.status
        goal_status = self.goal.evaluate(record)
        onward = goal_status is GoalStatus.INTERMEDIATE
        self.intermediate = onward and self.goal.until is not None
        self.read_singly = onward or not self.goal.shows_in_sweeps(record)
        moved = self._moved(record)
        if goal_status is GoalStatus.REACHED:
            if source == "answer" or self.signed_at is not None or moved >= 0:
                return self._end(source, confirmed=True)
            # A stale copy from before the change that happens to show the target.
            self.evidence = None
            age = 0.0 if self.accepted_at is None else now - self.accepted_at
            return self._hold(now + max(SOON, min(age / 2, LONGEST_HOLD)))
        failed = goal_status is GoalStatus.FAILED
        if failed and (self.no_request or moved >= 0):
            return self._fail(source)
        missed = failed or goal_status is GoalStatus.OFF_TARGET
        if missed or (onward and self.callback_error is not None):
            return self._missed(record, now, source)
        self.evidence = None
        if goal_status is GoalStatus.PENDING:
            self.last = None if self.drops_records else record
            # The callback was early, or about another change; the next one counts again.
            self.callback_pending, self.signed_at = False, None
        return NextStep.READ_SELDOM if self.intermediate else NextStep.WAIT

    def _missed(self, record: Any, now: float, source: SettledBy) -> NextStep:
        if self.post_pending:
            return NextStep.WAIT  # this read was sent before the POST's response
        moved = self._moved(record)
        if self.no_request or self.failure_signed or moved > 0:
            return self._fail(source)
        seconds, reads = (self.stale_for, 2) if moved == 0 else (self.stale_for * _LASTS, _READS)
        if source == "answer":
            self.evidence = None
        if self._lasts((record.status, record.date_updated), now, seconds, reads):
            return self._fail(source)
        assert self.evidence is not None  # noqa: S101  # `_lasts` has just set it
        believed_at = self.evidence[1] + seconds
        return self._hold(believed_at if moved == 0 else now + max(self.stale_for, SOON))

    def _lasts(self, what: object, now: float, seconds: float, reads: int) -> bool:
        """Record evidence against the target; tell whether it has lasted that long."""
        before = self.evidence
        since, count = before[1:] if before is not None and before[0] == what else (now, 0)
        self.evidence = (what, since, count + 1)
        return count + 1 >= reads and now >= since + seconds

    def _hold(self, until: float) -> NextStep:
        self.hold_until = until
        return NextStep.READ_LATER

    def _moved(self, record: Any) -> int:
        """Compare with the response to the POST: -1 older, 1 later, 0 same or unknown."""
        if self.response_date is None or record.date_updated is None:
            return 0
        later: bool = record.date_updated > self.response_date
        return int(later) - int(record.date_updated < self.response_date)

    def _fail(self, source: SettledBy) -> NextStep:
        code, message = self.callback_error or reported_error(self.last) or (None, None)
        self.error = TransitionFailed(self.label, self.goal.description, self.last, code, message)
        return self._end(source, confirmed=True)

    def _end(self, source: SettledBy, *, confirmed: bool) -> NextStep:
        self.settled_by = source
        self.confirmed = confirmed
        self.done = True
        self.evidence = None
        return NextStep.DONE

    def time_out(self, now: float, cause: Exception | None = None) -> None:
        """End at the deadline; the watcher has read once more just before."""
        error = TransitionTimeout(
            self.label, self.goal.description, self.last, now - self.started, status=self.status
        )
        self.last_error = self.last_error or cause
        error.__cause__ = self.last_error
        self.abort(error)

    def abort(self, error: Exception) -> NextStep:
        """End with an error, unless it has ended already."""
        if not self.done:
            self.error = error
            self.done = True
        return NextStep.DONE

    def abandon(self) -> None:
        """End it without notifying the owner: its task was cancelled, or its POST rejected."""
        self.done = True
        self.on_done = _ignore

    def notify(self) -> None:
        """Notify the owner of the end, once, and then release the owner."""
        on_done, self.on_done = self.on_done, _ignore
        on_done(self)


@lru_cache(maxsize=1024)
def interned(value: V) -> V:
    """Return an equal cached value: thousands of waits share a date, to the second."""
    return value


def _ignore(_: Transition) -> None:
    """Replaces an `on_done` that is no longer needed, with all that it kept alive."""


def _as_permission_denied(error: APIError) -> APIError:
    """Convert a rejection that concerns only this SIM, as the credentials work elsewhere.

    Regardless of its status: KORE reports both "not allowed" and "expired token" as 403.
    """
    if isinstance(error, PermissionDenied):
        return error
    parts = (error.status, error.code, error.message, error.more_info, error.request_id)
    return PermissionDenied(*parts, asked=error.asked)

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

_SOON = 1.0  # seconds until a copy that is certainly old, or a repeated callback, is read again
_LONGEST = 30.0  # the longest such pause
# Times `stale_for`: how long an old copy must stay the same before it is the truth. Whether
# `date_updated` moves when a transition settles is in no document, so a late one may look old.
_LASTS = 6.0
_READS = 3  # that must agree on an old copy, a 404 or a rejection: one may come from a bad replica


class NextStep(enum.Enum):
    """What the watcher should do with a wait."""

    WAIT = "wait"
    """Poll as planned."""
    READ = "read"
    """Read it now."""
    READ_LATER = "read later"
    """Read it at `hold_until`, not before."""
    READ_SELDOM = "read seldom"
    """Settled on the way; the rest takes hours: single reads at the longest interval."""
    DONE = "done"


@define(eq=False, repr=False, kw_only=True, weakref_slot=False)  # 100,000 may be pending at once
class Transition:
    """A wait for one SIM, written by its methods only. All moments are the clock's."""

    name: str
    """As addressed: SID or unique name."""
    goal: Goal
    started: float
    timeout: float
    """Seconds from the response to the POST on."""
    stale_for: float = 10.0
    """Seconds for which a settled read that misses the target may be an old copy."""
    on_done: Callable[[Any], None]
    """Called once, at the end, with the wait itself."""
    owner_data: Any = None
    """Whatever its owner identifies it by."""
    nonce: str | None = None
    """Of the ticket in its callback URL; None when no callback is expected."""
    sid: str | None = None
    response_date: datetime | None = None
    """The vendor's date in the response to the POST."""
    accepted_at: float | None = None
    """When that response arrived."""
    accepts_signed: bool = False
    """Whether a signed callback is enough, without a read to confirm it."""
    no_request: bool = False
    """Nothing was sent for it, so no read can be older than the response to a POST."""
    callback_seen: bool = False
    """A callback has arrived, so none needs to be waited for."""
    drops_records: bool = False
    """Whether pending records are dropped: of very many waits they would weigh the most."""
    seen_before: bool = False
    """Whether a response of success has shown it to this client, so that a 404 may pass."""

    last: Any = field(init=False, default=None)
    """The record as last seen."""
    status: str | None = field(init=False, default=None)
    """Its status, also where the record is dropped."""
    requests: int = field(init=False, default=0)
    """POSTs and single reads sent for this SIM alone."""
    reads: int = field(init=False, default=0)
    failures: int = field(init=False, default=0)
    """Reads in a row that failed."""
    resumed_at: float | None = field(init=False, default=None)
    """When it was resumed, if it did not begin with the response to its POST."""
    read_at: float | None = field(init=False, default=None)
    """When the watcher reads it next; None where a sweep or a callback tells."""
    last_read_until: float | None = field(init=False, default=None)
    """Past its deadline: how long the last read may still take."""
    in_sweep: bool = field(init=False, default=False)
    """Whether a sweep tells about it, so that it needs no single reads."""
    counted_as_expecting: bool = field(init=False, default=False)
    """Whether the sweep counts it among those that expect a callback."""
    callback_pending: bool = field(init=False, default=False)
    """A callback says that it has settled, and no read has contradicted it."""
    signed_at: float | None = field(init=False, default=None)
    """When a signed callback of this very change named the target."""
    failure_signed: bool = field(init=False, default=False)
    """A signed callback of this very change says what went wrong."""
    callback_reads: int = field(init=False, default=0)
    """Reads that callbacks have caused."""
    next_callback_read_at: float = field(init=False, default=0.0)
    """When a callback may cause the next one."""
    callback_read_done: bool = field(init=False, default=False)
    """A callback of this very change has had its read at once, whatever came before."""
    callback_read_due: bool = field(init=False, default=False)
    """A callback came too soon after another: it is read for at `next_callback_read_at`."""
    intermediate: bool = field(init=False, default=False)
    """Settled on the way to `until`, which it reaches without a request."""
    read_singly: bool = field(init=False, default=False)
    """In a status that no sweep asks for."""
    rejected_at: float | None = field(init=False, default=None)
    """When a read of it was last rejected with 401 or 403."""
    evidence: tuple[object, float, int] | None = field(init=False, default=None)
    """What speaks against it, since when, and how many reads in a row have shown it."""
    hold_until: float = field(init=False, default=0.0)
    callback_error: tuple[int | None, str | None] | None = field(init=False, default=None)
    """Code and message of a callback of this very change."""
    last_error: Exception | None = field(init=False, default=None)
    """Why the latest read failed; the cause of a timeout."""
    done: bool = field(init=False, default=False)
    confirmed: bool = field(init=False, default=False)
    settled_by: SettledBy | None = field(init=False, default=None)
    error: Exception | None = field(init=False, default=None)

    def __repr__(self) -> str:
        """Without the nonce, which is as good as the ticket."""
        return f"{type(self).__name__}({self.label!r}, {dict(self.goal.description)!r})"

    @property
    def deadline(self) -> float | None:
        """When it times out; None while its POST is in flight, which has deadlines of its own."""
        if self.last_read_until is not None:
            return self.last_read_until
        since = self.accepted_at if self.resumed_at is None else self.resumed_at
        return None if since is None else since + self.timeout

    @property
    def expects_callback(self) -> bool:
        """Whether a callback may still come."""
        return self.nonce is not None and not self.callback_seen

    @property
    def label(self) -> str:
        """What messages call it: as it was addressed, or the SID of what was created."""
        kind = self.goal.kind
        return self.name if kind.has_unique_names else self.sid or f"the new {kind.noun}"

    @property
    def post_pending(self) -> bool:
        """Whether its POST is still in flight."""
        return self.accepted_at is None and not self.no_request

    @property
    def was_accepted(self) -> bool:
        """Whether it is for a change that this client has had accepted."""
        return self.accepted_at is not None and not self.no_request

    # What its owner and the watcher set.

    def count_requests(self, number: int) -> None:
        """Count requests that were sent for this SIM alone."""
        self.requests += number

    def hand_over(
        self, owner_data: Any, on_done: Callable[[Transition], None], started: float
    ) -> None:
        """Give it to another owner, who says when its change began."""
        self.owner_data, self.on_done, self.started = owner_data, on_done, started

    def resume(self, now: float) -> None:
        """Continue a wait whose POST was accepted earlier, or that never had one."""
        self.resumed_at = now
        if self.no_request and self.accepted_at is None:
            self.accepted_at = now  # lists from then on show it

    def learn_sid(self, sid: str) -> None:
        """Take over a SID, keeping the string that its name shares with the index if it can."""
        if self.sid != sid:
            self.sid = self.name if sid == self.name else sid

    def schedule_read(self, moment: float | None) -> None:
        """Set when it is read next; None: not by itself."""
        self.read_at = moment

    def begin_read(self) -> None:
        """Count a read of it that goes out."""
        self.callback_read_due = False
        self.reads += 1
        self.requests += 1

    def begin_last_read(self, until: float) -> None:
        """Its deadline has come: one more read, which may take until then."""
        self.last_read_until = until
        self.drops_records = False  # the last read is for the error, and for the outcome

    def join_sweep(self) -> None:
        """Leave it to the sweeps."""
        self.in_sweep, self.counted_as_expecting = True, self.expects_callback

    def leave_sweep(self) -> None:
        """Read it singly again."""
        self.in_sweep = False

    # Facts.

    def accepted(self, record: Any, now: float) -> NextStep:
        """Take the response to the POST; too late if a callback has ended the wait already."""
        self.accepted_at, self.seen_before = now, True
        self.response_date = interned(record.date_updated)
        self.learn_sid(record.sid)
        if self.done:
            return NextStep.DONE
        early = self.callback_pending
        step = self._take(record, now, "answer")
        if early and step in (NextStep.WAIT, NextStep.READ_SELDOM):
            # An early callback waited for this response, whose date its read is compared with.
            self.callback_pending = True
            return NextStep.READ
        return step

    def accepted_unread(self, error: Exception, now: float) -> NextStep:
        """Take note that the POST was processed, though its response could not be read."""
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
        """Take a callback whose ticket names this SIM.

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
            return NextStep.WAIT  # only the response to the POST will tell the SID to read
        # Before the POST's own response there is no record to show, so that one is read.
        has_record = self.last is not None or (self.drops_records and not self.post_pending)
        enough = proves and self.accepts_signed and self.goal.status_only
        if enough and status in targets and has_record:
            self.last = self.last and attrs.evolve(self.last, status=status)
            return self._end("callback", confirmed=False)
        first = current and on_target and not self.callback_read_done
        self.callback_read_done |= first
        # Repeated callbacks are read for ever more seldom: anybody may send a valid URL again.
        if now < self.next_callback_read_at and not first:
            self.callback_read_due = True
            return self._hold(self.next_callback_read_at)
        pause = min(_SOON * 2.0 ** min(self.callback_reads, 60), _LONGEST)
        self.next_callback_read_at = now + pause
        self.callback_reads += 1
        return NextStep.READ

    def read(
        self, record: Any, now: float, source: SettledBy = "read", *, began: float | None = None
    ) -> NextStep:
        """Take a record that was read, singly or from a list, by a request that `began` then."""
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
        """Take note that a read of it was rejected with 401 or 403.

        True when the reason is this SIM, because other requests have succeeded since its last one.
        """
        before, self.rejected_at = self.rejected_at, now
        return before is not None and last_success_at >= before

    def read_failed(self, error: Exception, now: float, *, own: bool = False) -> NextStep:
        """Take the failure of a read; `own`: other requests of this client succeed meanwhile."""
        if self.done:
            return NextStep.DONE
        self.last_error = error
        self.failures += 1
        if self.post_pending:
            return NextStep.WAIT  # the response to its POST will tell what has become of it
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
            # A copy from before the change that happens to show the target.
            self.evidence = None
            age = 0.0 if self.accepted_at is None else now - self.accepted_at
            return self._hold(now + max(_SOON, min(age / 2, _LONGEST)))
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
        return self._hold(believed_at if moved == 0 else now + max(self.stale_for, _SOON))

    def _lasts(self, what: object, now: float, seconds: float, reads: int) -> bool:
        """Record what speaks against it; tell whether it has for that long, in that many reads."""
        before = self.evidence
        since, count = before[1:] if before is not None and before[0] == what else (now, 0)
        self.evidence = (what, since, count + 1)
        return count + 1 >= reads and now >= since + seconds

    def _hold(self, until: float) -> NextStep:
        self.hold_until = until
        return NextStep.READ_LATER

    def _moved(self, record: Any) -> int:
        """Compare with the response to the POST: -1 older, 1 later, 0 the same or not known."""
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
        """End it without notifying anybody: its task was cancelled, or its POST rejected."""
        self.done = True
        self.on_done = _ignore

    def notify(self) -> None:
        """Tell its owner that it has ended; once, and then let go of the owner."""
        on_done, self.on_done = self.on_done, _ignore
        on_done(self)


@lru_cache(maxsize=1024)
def interned(value: V) -> V:
    """Return an equal value that exists already: thousands of waits share a date to the second."""
    return value


def _ignore(_: Transition) -> None:
    """Take the place of an `on_done` that is needed no more, and of all that it kept alive."""


def _as_permission_denied(error: APIError) -> APIError:
    """Name a rejection for what it is while the credentials work elsewhere: this SIM's.

    Whatever its number: KORE reports "not allowed" and "expired token" alike as 403.
    """
    if isinstance(error, PermissionDenied):
        return error
    parts = (error.status, error.code, error.message, error.more_info, error.request_id)
    return PermissionDenied(*parts, asked=error.asked)

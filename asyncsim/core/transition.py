"""One transition as a machine: facts in, the next step out. No clock, no await.

What ends a wait, and nothing else does: a current read, or a believed callback, at the target; a
current read in a final status off it; proof that the SIM is gone or that this client may not read
it; the deadline. All other facts mean "not known yet". What has ended never opens again.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from typing import Any, TypeVar

import attrs
from attrs import define, field

from asyncsim.core.goal import Goal, GoalStatus
from asyncsim.errors import (
    APIError,
    AsyncSimError,
    AuthenticationError,
    ConfigurationError,
    NotFound,
    PermissionDenied,
    TransitionFailed,
    TransitionTimeout,
)
from asyncsim.events import SettledBy

V = TypeVar("V")

_SOON = 1.0  # seconds until a copy that is certainly old, or called back again, is read again
_LONGEST = 30.0  # the same, once it has happened for long
_LASTS = 6.0  # of `stale_for`: how long an old copy must stay the same to be the truth
_READS = 3  # of the same, for what is old, gone or refused

REFUSALS = (AuthenticationError, PermissionDenied)
"""What a refused login looks like, or one that is not allowed to read this."""


class NextStep(enum.Enum):
    """What the watcher should do with a transition."""

    WAIT = "wait"
    """Ask as planned."""
    READ = "read"
    """Read it now."""
    READ_LATER = "read later"
    """Read it at `hold_until`, not before."""
    READ_SELDOM = "read seldom"
    """Settled on the way; the rest takes hours: ask seldom, one by one."""
    DONE = "done"


@define(eq=False, repr=False, kw_only=True, weakref_slot=False)  # 100,000 may be pending
class Transition:
    """A wait for one SIM, step by step. `sink` is called once, at the end, with the wait itself.

    All moments are the clock's.
    """

    name: str
    """As addressed: SID or unique name."""
    goal: Goal
    started: float
    timeout: float
    """Seconds from the response to the POST on."""
    stale_for: float = 10.0
    """Seconds for which a settled read that misses the target may be an old copy."""
    on_done: Callable[[Any], None]
    owner_data: Any = None
    """Whatever its owner knows it by."""
    nonce: str | None = None
    """Of the ticket in its callback URL; None when no callback is expected."""
    sid: str | None = None
    response_date: datetime | None = None
    """The vendor's date in the response to the POST."""
    accepted_at: float | None = None
    """When that came."""
    resumed_at: float | None = None
    """When somebody went on with it, if that was not at the response to its POST."""
    accepts_signed: bool = False
    """Whether a signed callback is enough, without a read to confirm it."""
    no_request: bool = False
    """Nothing was sent for it, so there is no response that could be later than a read."""
    callback_seen: bool = False
    """A callback has come, so none needs to be waited for."""
    drops_records: bool = False
    """Whether pending records are not kept: of very many waits they would weigh the most."""
    seen_before: bool = False
    """Whether this client has seen it in a response of success, so that a 404 may pass."""

    last: Any = field(init=False, default=None)
    """The record as last seen."""
    status: str | None = field(init=False, default=None)
    """Its status, also where the record is not kept."""
    requests: int = field(init=False, default=0)
    """POSTs and single reads sent for this SIM alone."""
    reads: int = field(init=False, default=0)
    failures: int = field(init=False, default=0)
    """Reads in a row that failed."""
    in_sweep: bool = field(init=False, default=False)
    """The watcher's: a sweep tells about it."""
    counted_as_expecting: bool = field(init=False, default=False)
    """The watcher's: and it is among those that expect a callback."""
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
    """A callback came too soon after another: it is read for then."""
    intermediate: bool = field(init=False, default=False)
    read_singly: bool = field(init=False, default=False)
    """In a status that no sweep asks for."""
    refused_at: float | None = field(init=False, default=None)
    """When a read of it was last refused with 401 or 403."""
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
        """When to give up; None while its POST is in flight, which has deadlines of its own."""
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
        return self.name if kind.named else self.sid or f"the new {kind.noun}"

    @property
    def post_pending(self) -> bool:
        """Whether its POST is still in flight."""
        return self.accepted_at is None and not self.no_request

    @property
    def was_accepted(self) -> bool:
        """Whether it is for a change that this client has had accepted."""
        return self.accepted_at is not None and not self.no_request

    def identify(self, record: Any) -> None:
        """Take over the SID of a record."""
        self.seen_before = True
        if self.sid != record.sid:  # else ours, which its name and the register share
            self.sid = self.name if record.sid == self.name else record.sid

    # Facts.

    def accepted(self, record: Any, now: float) -> NextStep:
        """Take the response to the POST; too late if a callback has ended the wait already."""
        self.accepted_at = now
        self.response_date = shared(record.date_updated)
        self.identify(record)
        if self.done:
            return NextStep.DONE
        early = self.callback_pending
        step = self._take(record, now, "answer")
        if early and step in (NextStep.WAIT, NextStep.READ_SELDOM):
            # An early callback waited for this response, to have a date to compare its read with.
            self.callback_pending = True
            return NextStep.READ
        return step

    def accepted_unread(self, now: float) -> NextStep:
        """Take note that the POST was processed; what its response says could not be used."""
        self.accepted_at, self.seen_before = now, True
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
        if signed and self.callback_error is None and (status in targets or not targets):
            self.signed_at = now
        if self.post_pending and not self.goal.kind.named:
            return NextStep.WAIT  # only the response to the POST will tell the SID to read
        believed = (
            signed and self.accepts_signed and self.callback_error is None and self.goal.status_only
        )
        # Before the POST's own response there is no record to show, so that one is read.
        seen = self.last is not None or (self.drops_records and not self.post_pending)
        if believed and status in targets and seen:
            self.last = self.last and attrs.evolve(self.last, status=status)
            return self._end("callback", confirmed=False)
        first = current and not self.callback_read_done and (status in targets or not targets)
        self.callback_read_done |= first
        return self._confirm(now, at_once=first)

    def _confirm(self, now: float, *, at_once: bool) -> NextStep:
        """Read what a callback says: at once, but repeated callbacks ever more seldom."""
        if now < self.next_callback_read_at and not at_once:
            self.callback_read_due = True
            return self._hold(self.next_callback_read_at)
        self.next_callback_read_at = now + min(
            _SOON * 2.0 ** min(self.callback_reads, 60), _LONGEST
        )
        self.callback_reads += 1
        return NextStep.READ

    def read(
        self, record: Any, now: float, source: SettledBy = "read", *, began: float | None = None
    ) -> NextStep:
        """Take a record that was read, alone or off a list, by a request that `began` then."""
        if self.done:
            return NextStep.DONE
        self.identify(record)
        self.last_error = self.refused_at = None
        self.failures = 0
        if not self._follows(now if began is None else began):
            return NextStep.WAIT  # from before the change, or perhaps so
        return self._take(record, now, "callback" if self.callback_pending else source)

    def _follows(self, began: float) -> bool:
        """Whether a read that began then was certainly sent after the change was accepted."""
        if self.no_request or (self.signed_at is not None and began >= self.signed_at):
            return True
        return self.accepted_at is not None and began >= self.accepted_at

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
            lasts = self._lasts(NotFound, now, self.stale_for, _READS)
            return self.abort(error) if lasts or not self.seen_before else NextStep.WAIT
        if isinstance(error, REFUSALS):
            lasts = self._lasts(PermissionDenied, now, self.stale_for, _READS)
            return self.abort(_denied(error)) if lasts and own else NextStep.WAIT
        return NextStep.WAIT

    # What they mean.

    def _take(self, record: Any, now: float, source: SettledBy) -> NextStep:
        self.last, self.status = record, record.status
        goal_status = self.goal.evaluate(record)
        self.intermediate = goal_status is GoalStatus.INTERMEDIATE and self.goal.until is not None
        self.read_singly = goal_status is GoalStatus.INTERMEDIATE or not self.goal.shows_in_sweeps(
            record
        )
        if goal_status is GoalStatus.REACHED:
            return self._reached(record, now, source)
        if goal_status is GoalStatus.FAILED and (self.no_request or self._moved(record) >= 0):
            return self._fail(source)
        missed = goal_status in (GoalStatus.FAILED, GoalStatus.OFF_TARGET)
        if missed or (goal_status is GoalStatus.INTERMEDIATE and self.callback_error):
            return self._missed(record, now, source)
        self.evidence = None
        if goal_status is GoalStatus.PENDING:
            self.last = None if self.drops_records else record
            self.callback_pending, self.signed_at = (
                False,
                None,
            )  # early; the next callback counts again
        return NextStep.READ_SELDOM if self.intermediate else NextStep.WAIT

    def _reached(self, record: Any, now: float, source: SettledBy) -> NextStep:
        vouched = self.signed_at is not None
        if source == "answer" or vouched or self._moved(record) >= 0:
            return self._end(source, confirmed=True)
        # A copy from before the change that happens to show the target.
        self.evidence = None
        age = 0.0 if self.accepted_at is None else now - self.accepted_at
        return self._hold(now + max(_SOON, min(age / 2, _LONGEST)))

    def _missed(self, record: Any, now: float, source: SettledBy) -> NextStep:
        if self.post_pending:
            return NextStep.WAIT  # the POST is still in flight: this was before it
        moved = self._moved(record)
        if self.no_request or self.failure_signed or moved > 0:
            return self._fail(source)
        seconds, reads = (self.stale_for, 2) if moved == 0 else (self.stale_for * _LASTS, _READS)
        if source == "answer":
            self.evidence = None
        if self._lasts((record.status, record.date_updated), now, seconds, reads):
            return self._fail(source)
        assert self.evidence is not None  # noqa: S101  # just taken down
        ripe = self.evidence[1] + seconds
        return self._hold(ripe if moved == 0 else now + max(self.stale_for, _SOON))

    def _lasts(self, what: object, now: float, seconds: float, reads: int) -> bool:
        """Take down what speaks against it; whether it has, for so long and in so many reads."""
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
        code, message = self.callback_error or _reported(self.last) or (None, None)
        self.error = TransitionFailed(self.label, self.goal.description, self.last, code, message)
        return self._end(source, confirmed=True)

    def _end(self, source: SettledBy, *, confirmed: bool) -> NextStep:
        self.settled_by = source
        self.confirmed = confirmed
        self.done = True
        self.evidence = None
        return NextStep.DONE

    def time_out(self, now: float) -> None:
        """Give up; the watcher has read once more just before."""
        error = TransitionTimeout(
            self.label, self.goal.description, self.last, now - self.started, status=self.status
        )
        error.__cause__ = self.last_error
        self.abort(error)

    def abort(self, error: Exception) -> NextStep:
        """End with an error, unless it has ended already."""
        if not self.done:
            self.error = error
            self.done = True
        return NextStep.DONE


@lru_cache(maxsize=1024)
def shared(value: V) -> V:
    """Return an equal value that is there already: vendors' dates are to the second."""
    return value


def _denied(error: AsyncSimError) -> AsyncSimError:
    """Name what a refusal is while the credentials work elsewhere: whatever its number, this SIM's.

    A token endpoint's refusal has no SIM; it stays what it is.
    """
    if isinstance(error, PermissionDenied) or not isinstance(error, APIError):
        return error
    return PermissionDenied(
        error.status,
        error.code,
        error.message,
        error.more_info,
        error.request_id,
        asked=error.asked,
    )


def _reported(record: Any) -> tuple[int | None, str | None] | None:
    """What a record itself says of its failure; an ESimProfile's code is a string of digits."""
    code, message = getattr(record, "error_code", None), getattr(record, "error_message", None)
    number = int(code) if isinstance(code, str) and code.isascii() and code.isdigit() else None
    return (number, message) if number is not None or message else None

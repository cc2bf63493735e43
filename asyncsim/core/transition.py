"""One transition as a machine: facts in, the next step out. No clock, no await.

The rules: a callback is a hint and a read is the truth; a settled read that misses the target
may be an old copy; what has ended never opens again.
"""

from __future__ import annotations

import enum
from typing import Any

import attrs

from asyncsim.core.goal import Standing
from asyncsim.core.pending import Pending, shared
from asyncsim.errors import TransitionFailed, TransitionTimeout
from asyncsim.events import SettledBy

_SOON = 1.0  # seconds between looks at a copy that is certainly old


class Next(enum.Enum):
    """What the watcher should do with a transition."""

    WAIT = "wait"
    """Ask as planned."""
    READ = "read"
    """Read it now."""
    HOLD = "hold"
    """Read it at `hold_until`, not before."""
    SLOW = "slow"
    """Settled on the way; the rest takes hours: ask seldom, one by one."""
    DONE = "done"


class Transition(Pending):
    """A wait for one SIM, step by step. `sink` is told once, at the end."""

    __slots__ = ()

    def answered(self, record: Any, now: float) -> Next:
        """Take the answer of the POST; too late if a callback has ended the wait already."""
        self.answered_at = now
        self.answer_date = shared(record.date_updated)
        self.identify(record)
        if self.done:
            return Next.DONE
        early = self.called
        step = self._take(record, now, "answer")
        if early and step in (Next.WAIT, Next.SLOW):
            # An early callback waited for this answer, to have a date to compare its read with.
            self.called = True
            return Next.READ
        return step

    def unread(self, now: float) -> Next:
        """Take note that the POST was processed; what its response says could not be used."""
        self.answered_at = now
        return Next.DONE if self.done else Next.READ

    def called_back(
        self,
        status: str | None,
        now: float,
        *,
        signed: bool,
        current: bool = True,
        code: int | None = None,
        message: str | None = None,
    ) -> Next:
        """Take a callback whose ticket names this SIM.

        `current`: the ticket is this wait's own; `signed`: it is, and its signature proves it.
        """
        if self.done:
            return Next.DONE
        if status in self.goal.kind.pending:
            return Next.WAIT
        if current and (code is not None or message):  # an older ticket's is an older change's
            self.problem = (code, message)
        self.called = True
        self.heard |= current
        if self.is_unanswered and not self.goal.kind.named:
            return Next.WAIT  # only the answer of the POST will tell the SID to read
        believed = signed and self.trusting and self.problem is None and self.goal.status_only
        # Before the POST's own answer there is no record to show, so that one is read.
        seen = self.last is not None or (self.lean and not self.is_unanswered)
        if believed and status in self.goal.targets and seen:
            self.last = self.last and attrs.evolve(self.last, status=status)
            return self._end("callback", confirmed=False)
        return Next.READ

    def read(self, record: Any, now: float, source: SettledBy = "read") -> Next:
        """Take a record that was read, alone or off a list."""
        if self.done:
            return Next.DONE
        self.identify(record)
        self.trouble = None
        if self.is_unanswered and not self.heard:
            return Next.WAIT  # read for another wait or change: it is older than ours
        return self._take(record, now, "callback" if self.called else source)

    def _take(self, record: Any, now: float, source: SettledBy) -> Next:
        self.last = record
        standing = self.goal.judge(record)
        self.slow = standing is Standing.ONWARD
        if standing is Standing.REACHED:
            return self._end(source, confirmed=True)
        if standing is Standing.FAILED:
            self.problem = self.problem or _reported(record)
            return self._fail(source)
        if standing is Standing.ELSEWHERE:
            return self._missed(record, now, source)
        self.off_since = None
        if standing is Standing.PENDING:
            self.last = None if self.lean else record
            self.called = False  # the callback was early; the next one counts again
        return Next.SLOW if standing is Standing.ONWARD else Next.WAIT

    def _missed(self, record: Any, now: float, source: SettledBy) -> Next:
        if self.is_unanswered:
            return Next.WAIT  # the POST is still on its way: this was before it
        if self.strict or self.problem is not None or self._moved(record) > 0:
            return self._fail(source)
        if self._moved(record) < 0:
            return self._hold(now + max(self.stale_for, _SOON))
        if self.off_since is None or source == "answer":
            self.off_since = now
            return self._hold(now + self.stale_for)
        ripe = self.off_since + self.stale_for
        return self._fail(source) if now >= ripe else self._hold(ripe)

    def _hold(self, until: float) -> Next:
        self.hold_until = until
        return Next.HOLD

    def _moved(self, record: Any) -> int:
        """Compare with the answer of the POST: -1 older, 1 later, 0 the same or not known."""
        if self.answer_date is None or record.date_updated is None:
            return 0
        later: bool = record.date_updated > self.answer_date
        return int(later) - int(record.date_updated < self.answer_date)

    def _fail(self, source: SettledBy) -> Next:
        code, message = self.problem or (None, None)
        self.error = TransitionFailed(self.shown, self.goal.described, self.last, code, message)
        return self._end(source, confirmed=True)

    def _end(self, source: SettledBy, *, confirmed: bool) -> Next:
        self.settled_by = source
        self.confirmed = confirmed
        self.done = True
        return Next.DONE

    def time_out(self, now: float) -> None:
        """Give up; the watcher has read once more just before."""
        error = TransitionTimeout(self.shown, self.goal.described, self.last, now - self.started)
        error.__cause__ = self.trouble
        self.abort(error)

    def abort(self, error: Exception) -> None:
        """End with an error, unless it has ended already."""
        if not self.done:
            self.error = error
            self.done = True


def _reported(record: Any) -> tuple[int | None, str | None] | None:
    """What a record itself says of its failure; an ESimProfile's code is a string of digits."""
    code, message = getattr(record, "error_code", None), getattr(record, "error_message", None)
    number = int(code) if isinstance(code, str) and code.isascii() and code.isdigit() else None
    return (number, message) if number is not None or message else None

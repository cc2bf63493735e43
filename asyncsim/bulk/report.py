"""How a job stands: what `bulk.run` returns, and what a journal tells at any time."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from contextlib import aclosing
from typing import Any

from attrs import asdict, field, frozen

from asyncsim import errors
from asyncsim.bulk.failures import error_of
from asyncsim.bulk.journal import Journal
from asyncsim.bulk.plan import Plan
from asyncsim.bulk.records import SUCCEEDED, UNFINISHED, Head, State, Statistics, Verdict
from asyncsim.errors import AsyncSimError, JournalError

_AGAIN = "run the same command again"
_MEND = "mend the cause, then run `asyncsim jobs retry-failed {journal}`"
_LOOK = f"{_AGAIN}: it looks first what has become of them, then sends what is still needed"

# Class -> what it means for a row, and the way out; the first that fits.
_WAYS: tuple[tuple[type[Exception] | tuple[type[Exception], ...], str, str], ...] = (
    (errors.TransitionTimeout, "timed out", f"{_AGAIN}: it goes on waiting"),
    (
        (errors.TransportError, errors.ServerError, errors.RateLimited, errors.QueueTimeout),
        "no answer",
        _LOOK,
    ),
    (
        (errors.AuthenticationError, errors.PermissionDenied),
        "not allowed",
        "give these credentials the right, or use others of the same account, then run"
        " `asyncsim jobs retry-failed {journal}`",
    ),
    (
        errors.Conflict,
        "busy",
        "wait until the other change has ended, then run `asyncsim jobs retry-failed {journal}`",
    ),
    (errors.TransitionFailed, "settled elsewhere", _MEND),
    (errors.APIError, "refused", _MEND),
    (Exception, "failed", _MEND),
)
_UNKNOWN = (
    "look whether it was done ({listing}) before it is done again by hand;"
    " no run repeats it by itself"
)
_LISTINGS = {
    "supersim": "client.supersim.sms_commands.list(sim=...)",
    "wireless": "client.wireless.commands.list(sim=...)",
}
_HOPELESS = {
    Verdict.UNKNOWN: "not in this account and product: check the names; once they are there,"
    f" {_AGAIN}",
    Verdict.ILLEGAL: "no request leads there from where they are: move them to a status from which"
    f" it can be reached, then {_AGAIN}",
    Verdict.TERMINAL: "nothing leads out of their status: leave them out",
    Verdict.UNREADABLE: "nothing was sent, as their state is not known: tell the vendor, then"
    f" {_AGAIN}",
}
_UNFINISHED = {
    State.READ: "not looked up yet",
    State.READY: "not sent yet",
    State.SENDING: "perhaps sent",
    State.ACCEPTED: "accepted, not settled",
}


@frozen(kw_only=True)
class Shortfall:
    """Rows that are not at their goal for one reason."""

    reason: str
    """`refused (BadRequest)`, `unknown SIM`, `not sent yet`."""
    rows: int
    sample: str
    """What is said of one of them; empty where there is nothing to say."""
    remedy: str
    """What it would take to get them to their goal."""


def shortfalls(
    statistics: Statistics, samples: Mapping[Verdict, str], *, product: str, journal: str
) -> tuple[Shortfall, ...]:
    """Group all rows that are not at their goal; what costs most comes first."""
    way = {"journal": shlex.quote(journal), "listing": _LISTINGS.get(product, "list them")}
    return (
        *_unknown(statistics, way),
        *_failed(statistics, way),
        *_hopeless(statistics, samples),
        *_unfinished(statistics),
    )


def _unknown(statistics: Statistics, way: Mapping[str, str]) -> Iterator[Shortfall]:
    # By state: a row whose run was killed in between is unknown without having an error.
    if count := statistics.states.get(State.UNKNOWN, 0):
        known = statistics.failures.get(errors.OutcomeUnknown.__name__)
        yield Shortfall(
            reason="unknown outcome",
            rows=count,
            sample=known.sample if known else "",
            remedy=_UNKNOWN.format(**way),
        )


def _failed(statistics: Statistics, way: Mapping[str, str]) -> Iterator[Shortfall]:
    for name, group in statistics.failures.items():
        kind = getattr(errors, name, Exception)
        if kind is errors.OutcomeUnknown:
            continue
        meaning, remedy = next((text, out) for one, text, out in _WAYS if issubclass(kind, one))
        yield Shortfall(
            reason=f"{meaning} ({name})",
            rows=group.rows,
            sample=group.sample,
            remedy=remedy.format(**way),
        )


def _hopeless(statistics: Statistics, samples: Mapping[Verdict, str]) -> Iterator[Shortfall]:
    for verdict, count in statistics.impossible.items():
        yield Shortfall(
            reason=verdict.value,
            rows=count,
            sample=samples.get(verdict, ""),
            remedy=_HOPELESS[verdict],
        )


def _unfinished(statistics: Statistics) -> Iterator[Shortfall]:
    for state, reason in _UNFINISHED.items():
        if count := statistics.states.get(state, 0):
            yield Shortfall(reason=reason, rows=count, sample="", remedy=_LOOK)


_MOST = 1000
"""Errors that a report holds; the counts are of all."""
_ERRORS = frozenset(
    {State.FAILED, State.IMPOSSIBLE, State.UNKNOWN, State.TIMED_OUT, State.NO_ANSWER}
)
_IN_BETWEEN = UNFINISHED - _ERRORS
_PLACES = 3  # of figures: milliseconds, thousandths of a request


@frozen(kw_only=True)
class Report:
    """How a job stands, over all of its runs."""

    head: Head
    """Whose the job is, and what it asks for."""
    journal: str
    """Where its journal lies."""
    columns: tuple[str, ...]
    """Keywords that are taken from columns of its input."""
    statistics: Statistics
    """What was counted, over the whole job."""
    shortfalls: tuple[Shortfall, ...] = field(repr=False)
    """Why rows are not at their goal, in groups, with what it would take."""
    errors: tuple[AsyncSimError, ...] = field(repr=False)
    """What went wrong with single rows, typed, in input order; the first 1,000."""
    plan: Plan | None = None
    """What this run's look at the SIMs found; None outside a run."""
    stopped: str | None = None
    """Why the run ended early: `drained`, `deadline`, `max_failures`, `limit`, `dry run`,
    `no answer`, `PermissionDenied`, or `retry after ... s`, as the server asked."""
    seconds: float | None = None
    """How long the run took; None outside one."""
    requests: int | None = None
    """All requests of the run, walks and sweeps of lists included; None outside one."""

    @property
    def rows(self) -> int:
        """Rows of the whole job."""
        return self.statistics.rows

    @property
    def states(self) -> Mapping[State, int]:
        """Rows by state; only states that occur."""
        return self.statistics.states

    @property
    def ok(self) -> bool:
        """Whether all SIMs are at their goal."""
        return self._count(SUCCEEDED) == self.rows

    @property
    def finished(self) -> bool:
        """Whether another run would find nothing to go on with."""
        return not self._count(UNFINISHED)

    @property
    def found_nothing_to_do(self) -> bool:
        """Whether the job had ended before this run, which so has looked at no SIM at all."""
        return self.plan is not None and not self.plan.rows

    @property
    def requests_per_sim(self) -> float | None:
        """Requests of this run for each row that it had to look at; None outside a run."""
        if self.requests is None or self.plan is None or not self.plan.rows:
            return None
        return self.requests / self.plan.rows

    def _count(self, states: frozenset[State]) -> int:
        return sum(count for state, count in self.states.items() if state in states)

    def raise_for_failures(self) -> None:
        """Raise an ExceptionGroup of typed errors unless all SIMs are at their goal.

        At most 1,000 of them are inside, the message has the true count. Rows that no error
        tells of, because the run ended before they did, are one `AsyncSimError` that says how
        to go on.
        """
        if self.ok:
            return
        count = self.rows - self._count(SUCCEEDED)
        why = ", ".join(f"{one.rows:,} {one.reason}" for one in self.shortfalls)
        first = f" (the first {_MOST:,} are here)" if self._count(_ERRORS) > _MOST else ""
        raise ExceptionGroup(
            f"{count:,} of {self.rows:,} SIMs are not at their goal: {why}{first}",
            [*self.errors, *self._unfinished()],
        )

    def _unfinished(self) -> list[AsyncSimError]:
        if not (count := self._count(_IN_BETWEEN)):
            return []
        why = f" (the run ended early: {self.stopped})" if self.stopped else ""
        are = "SIM is" if count == 1 else "SIMs are"
        return [
            AsyncSimError(
                f"{count:,} {are} unfinished{why}; run the job again with the journal"
                f" {self.journal}: it goes on where it stopped"
            )
        ]

    def summary(self) -> dict[str, Any]:
        """Everything but the single errors, as plain values for JSON."""
        counted = self.statistics
        return {
            "job": {
                **asdict(self.head),
                "change": dict(self.head.change),
                "columns": list(self.columns),
            },
            "journal": self.journal,
            "rows": self.rows,
            "ok": self.ok,
            "finished": self.finished,
            "stopped": self.stopped,
            "states": _words(self.states),
            "settled_by": dict(counted.settled_by),
            "confirmed": counted.confirmed,
            "unconfirmed": counted.unconfirmed,
            "seconds": {
                "run": _rounded(self.seconds),
                "p50": _rounded(counted.p50),
                "p95": _rounded(counted.p95),
                "p99": _rounded(counted.p99),
                "slowest": _rounded(counted.slowest),
            },
            "requests": {
                "run": self.requests,
                "run_per_sim": _rounded(self.requests_per_sim),
                "single": counted.requests,
                "single_done": counted.requests_done,
            },
            "shortfalls": [asdict(one) for one in self.shortfalls],
            "plan": self.plan and _summary_of_plan(self.plan),
        }


async def report_on(
    journal: Journal,
    *,
    plan: Plan | None = None,
    stopped: str | None = None,
    seconds: float | None = None,
    requests: int | None = None,
) -> Report:
    """Build the report of a journal's job; plan and figures are those of a run, if there is one."""
    head = await journal.head()
    if head is None:
        raise JournalError(
            f"journal {journal.target} holds no job: run one with it first, its input is read then"
        )
    statistics = await journal.statistics()
    errors, samples = await _errors(journal, head)
    return Report(
        head=head,
        journal=journal.target,
        columns=journal.applied,
        statistics=statistics,
        shortfalls=shortfalls(statistics, samples, product=head.product, journal=journal.target),
        errors=errors,
        plan=plan,
        stopped=stopped,
        seconds=seconds,
        requests=requests,
    )


async def _errors(
    journal: Journal, head: Head
) -> tuple[tuple[AsyncSimError, ...], dict[Verdict, str]]:
    """Return the first errors, and one text for each verdict among them."""
    errors: list[AsyncSimError] = []
    samples: dict[Verdict, str] = {}
    async with aclosing(journal.results(_ERRORS)) as results:
        async for result in results:
            errors.append(error_of(result, head))
            if result.state is State.IMPOSSIBLE and result.verdict is not None:
                samples.setdefault(result.verdict, str(errors[-1]))
            if len(errors) == _MOST:
                break
    return tuple(errors), samples


def _words(counts: Mapping[State, int] | Mapping[Verdict, int]) -> dict[str, int]:
    return {word.value: count for word, count in counts.items()}


def _rounded(number: float | None) -> float | None:
    return None if number is None else round(number, _PLACES)


def _summary_of_plan(plan: Plan) -> dict[str, Any]:
    return {
        "rows": plan.rows,
        "verdicts": _words(plan.verdicts),
        "irreversible": plan.irreversible,
        "requests": plan.requests,
        "notes": list(plan.notes),
    }

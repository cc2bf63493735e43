"""The report of a job: returned by `bulk.run`, or built from a journal at any time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING, Any

from attrs import asdict, field, frozen

from asyncsim import errors, tables
from asyncsim.bulk.failures import error_of
from asyncsim.bulk.journal import Journal
from asyncsim.bulk.plan import Plan
from asyncsim.bulk.records import (
    HOPELESS,
    SUCCEEDED,
    UNFINISHED,
    Head,
    Result,
    State,
    Statistics,
    Verdict,
)
from asyncsim.errors import AsyncSimError, JournalError

if TYPE_CHECKING:  # which of them is installed is the user's choice
    import pandas as pd  # pyright: ignore[reportMissingImports]
    import polars as pl  # pyright: ignore[reportMissingImports]

    from asyncsim.reprs import Tone

# Cells are the input itself; the columns after them are the job's.
_COLUMNS = tuple(
    one for one in tables.columns_of(Result) if one.name not in ("cells", "error_parts")
)

# The errors of a million failed rows would fill the memory. The counts include all.
_MAX_ERRORS = 1000
_WITH_ERROR = frozenset(
    {State.FAILED, State.IMPOSSIBLE, State.UNKNOWN, State.TIMED_OUT, State.NO_ANSWER}
)
_WITHOUT_ERROR = UNFINISHED - _WITH_ERROR

_RERUN = "run `asyncsim jobs resume {journal}`"
_RETRY = "then run `asyncsim jobs retry-failed {journal}`"
_READ_FIRST = f"{_RERUN}: it reads their outcome, then sends what is still needed"
# Class of the error -> group of its rows, and the remedy. The first match counts, because
# several are APIErrors: RateLimited means that the vendor was busy, not that it rejected the
# change.
_FAILURES: tuple[tuple[type[Exception] | tuple[type[Exception], ...], str, str], ...] = (
    (errors.TransitionTimeout, "timed out", f"{_RERUN}: it continues to wait"),
    (
        (errors.TransportError, errors.ServerError, errors.RateLimited, errors.QueueTimeout),
        "no answer",
        _READ_FIRST,
    ),
    (
        (errors.AuthenticationError, errors.PermissionDenied),
        "not allowed",
        # Of the same account, because a journal belongs to one.
        f"give these credentials the permission, or use others of the same account, {_RETRY}",
    ),
    (errors.Conflict, "busy", f"wait until the other change has settled, {_RETRY}"),
    (errors.TransitionFailed, "settled elsewhere", f"fix the cause, {_RETRY}"),
    (errors.APIError, "refused", f"fix the cause, {_RETRY}"),
    (Exception, "failed", f"fix the cause, {_RETRY}"),
)
_STATES = {
    State.READ: "not looked up yet",
    State.READY: "not sent yet",
    State.SENDING: "perhaps sent",
    State.ACCEPTED: "accepted, not settled",
}
_LISTS = {
    "supersim": "client.supersim.sms_commands.list(sim=...)",
    "wireless": "client.wireless.commands.list(sim=...)",
}


@frozen(kw_only=True)
class Shortfall:
    """Unsuccessful rows with the same cause."""

    reason: str
    """`refused (BadRequest)`, `unknown SIM`, `not sent yet`."""
    rows: int
    sample: str
    """The error of one of them; empty if there is none."""
    remedy: str
    """The remedy."""


@frozen(kw_only=True, repr=False)
class Report:
    """Progress and results of a job, over all of its runs."""

    head: Head
    """The identity of the job: its action, account and input."""
    journal: str
    """Path of its journal, or the URL of its database, without a password."""
    columns: tuple[str, ...]
    """Keywords that are taken from columns of its input."""
    statistics: Statistics
    """Counts over the whole job."""
    shortfalls: tuple[Shortfall, ...] = field(repr=False)
    """Unsuccessful rows in groups, by cause, each with its remedy."""
    errors: tuple[AsyncSimError, ...] = field(repr=False)
    """The errors of single rows, typed, in input order; the first 1,000."""
    plan: Plan | None = None
    """This run's plan; None outside a run."""
    stopped: str | None = None
    """Why the run ended early: `drained`, `deadline`, `max_failures`, `breaker`, `limit`,
    `dry run`, `no answer`, or `retry after ... s`, as the server requested."""
    advice: str | None = None
    """What to check before the next run, if the circuit breaker stopped this one."""
    seconds: float | None = None
    """Seconds that the run took; None outside one."""
    requests: int | None = None
    """All requests of the run, including list scans and sweeps; None outside one."""
    _reader: Callable[[], Journal] | None = field(default=None, eq=False, alias="reader")

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
        """Whether all SIMs have reached their target."""
        return self._count(SUCCEEDED) == self.rows

    @property
    def finished(self) -> bool:
        """Whether another run would have nothing to do."""
        return not self._count(UNFINISHED)

    @property
    def found_nothing_to_do(self) -> bool:
        """Whether the job was finished before this run, which therefore read no SIM at all."""
        return self.plan is not None and not self.plan.rows

    @property
    def requests_per_sim(self) -> float | None:
        """Requests of this run per planned row; None outside a run."""
        if self.requests is None or self.plan is None or not self.plan.rows:
            return None
        return self.requests / self.plan.rows

    def __repr__(self) -> str:
        from asyncsim import reprs

        states = ", ".join(f"{count:,} {state}" for state, count in self.states.items())
        early = f"; ended early: {reprs.shortened(self.stopped)}" if self.stopped else ""
        label = reprs.shortened(self.head.label)
        return f"<Report of {label}, {self.rows:,} rows: {states or 'none'}{early}>"

    def _repr_html_(self) -> str:
        from asyncsim import reprs

        counted = self.statistics
        facts = {
            "run": None if self.seconds is None else f"{self.seconds:,.1f} s",
            "seconds to settle": counted.p50
            and f"{counted.p50:,.1f} (median), {counted.p95 or 0:,.1f} (95 %)",
            "settled by": ", ".join(
                f"{how} {count:,}" for how, count in counted.settled_by.items()
            ),
            "requests per SIM": self.requests_per_sim and f"{self.requests_per_sim:.3f}",
            "ended early": self.stopped,
            "journal": self.journal,
        }
        causes = [(one.rows, one.reason, one.remedy) for one in self.shortfalls]
        return reprs.card(
            f"{self.head.action} of {self.rows:,} SIMs from {self.head.label}",
            reprs.counts_bar((state, count, _tone(state)) for state, count in self.states.items()),
            reprs.facts_table((name, value) for name, value in facts.items() if value),
            reprs.table(("rows", "cause", "remedy"), causes) if causes else "",
        )

    # The rows, which only the journal has: a million of them would fill the memory.

    async def _results(self) -> list[Result]:
        reader = self._reader or partial(Journal.open, self.journal, read_only=True)
        async with (
            reader() as journal,
            aclosing(journal.results()) as results,
        ):
            return [result async for result in results]

    async def to_dicts(self) -> list[dict[str, Any]]:
        """Read the job's rows from its journal, and return them as dictionaries."""
        return tables.to_dicts(_COLUMNS, await self._results())

    async def to_polars(self) -> pl.DataFrame:
        """Read the job's rows from its journal into a polars frame; needs the extra `frames`."""
        return tables.to_polars(_COLUMNS, await self._results())

    async def to_pandas(self) -> pd.DataFrame:
        """Read the job's rows from its journal into a pandas frame."""
        return tables.to_pandas(_COLUMNS, await self._results())

    def _count(self, states: frozenset[State]) -> int:
        return sum(count for state, count in self.states.items() if state in states)

    def raise_for_failures(self) -> None:
        """Raise an ExceptionGroup of typed errors unless all SIMs have reached their target.

        It holds at most 1,000 of them; its message has the true count. Rows that have no error,
        because the run ended before them, are one `AsyncSimError` that says how to resume.
        """
        if self.ok:
            return
        count = self.rows - self._count(SUCCEEDED)
        why = ", ".join(f"{one.rows:,} {one.reason}" for one in self.shortfalls)
        more = self._count(_WITH_ERROR) > _MAX_ERRORS
        first = f" (only the first {_MAX_ERRORS:,} are included)" if more else ""
        found = list(self.errors)
        if unfinished := self._count(_WITHOUT_ERROR):
            early = f" (the run ended early: {self.stopped})" if self.stopped else ""
            are = "SIM is" if unfinished == 1 else "SIMs are"
            text = (
                f"{unfinished:,} {are} unfinished{early}; run the job again with the journal"
                f" {self.journal}: it resumes where it stopped"
            )
            found.append(AsyncSimError(text))
        text = f"{count:,} of {self.rows:,} SIMs have not reached their target: {why}{first}"
        raise ExceptionGroup(text, found)

    def summary(self) -> dict[str, Any]:
        """Everything but the single errors, as plain values for JSON."""
        counted, plan = self.statistics, self.plan
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
            "advice": self.advice,
            "states": {state.value: count for state, count in self.states.items()},
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
            "plan": plan
            and {
                "rows": plan.rows,
                "verdicts": {verdict.value: count for verdict, count in plan.verdicts.items()},
                "irreversible": plan.irreversible,
                "billable": plan.billable,
                "billable_later": plan.billable_later,
                "to_confirm": plan.to_confirm,
                "requests": plan.requests,
                "notes": list(plan.notes),
            },
        }


def _tone(state: State) -> Tone:
    if state in SUCCEEDED:
        return "ok"
    return "wait" if state in UNFINISHED else "bad"


def _rounded(number: float | None) -> float | None:
    return None if number is None else round(number, 3)  # milliseconds


async def report_on(
    journal: Journal,
    *,
    plan: Plan | None = None,
    stopped: str | None = None,
    advice: str | None = None,
    seconds: float | None = None,
    requests: int | None = None,
) -> Report:
    """Build the report of a journal's job; plan and figures come from a run, if there is one."""
    head = await journal.head()
    if head is None:
        raise JournalError(f"journal {journal.target} contains no job: run one with it first")
    found: list[AsyncSimError] = []
    samples: dict[Verdict, str] = {}
    async with aclosing(journal.results(_WITH_ERROR)) as results:
        async for result in results:
            found.append(error_of(result, head))
            if result.state is State.IMPOSSIBLE and result.verdict is not None:
                samples.setdefault(result.verdict, str(found[-1]))
            if len(found) == _MAX_ERRORS:
                break
    statistics = await journal.statistics()
    return Report(
        head=head,
        journal=journal.target,
        reader=journal.reader,
        columns=journal.applied,
        statistics=statistics,
        shortfalls=_shortfalls(statistics, samples, head, journal.arguments),
        errors=tuple(found),
        plan=plan,
        stopped=stopped,
        advice=advice,
        seconds=seconds,
        requests=requests,
    )


def _shortfalls(
    statistics: Statistics, samples: Mapping[Verdict, str], head: Head, journal: str
) -> tuple[Shortfall, ...]:
    """Group all unsuccessful rows; the most urgent groups come first."""
    found: list[Shortfall] = []

    def add(reason: str, rows: int, remedy: str, sample: str = "") -> None:
        found.append(Shortfall(reason=reason, rows=rows, sample=sample, remedy=remedy))

    lost = errors.OutcomeUnknown.__name__
    # By state: a row whose run was killed in between is in doubt without an error.
    if count := statistics.states.get(State.UNKNOWN, 0):
        commands = _LISTS.get(head.product, "list them")
        remedy = f"find out whether it was carried out ({commands}) before you repeat it by hand"
        known = statistics.failures.get(lost)
        add("unknown outcome", count, f"{remedy}; no run repeats it", known.sample if known else "")
    for name, failed in statistics.failures.items():
        if name != lost:  # those are in the group above
            # Exception covers errors of other versions of this package, and of other packages.
            kind = getattr(errors, name, Exception)
            fitting = (texts for one, *texts in _FAILURES if issubclass(kind, one))
            meaning, remedy = next(fitting)
            remedy = remedy.format(journal=journal)
            add(f"{meaning} ({name})", failed.rows, remedy, failed.sample)
    for verdict, count in statistics.impossible.items():
        add(verdict.value, count, HOPELESS[verdict].remedy, samples.get(verdict, ""))
    for state, reason in _STATES.items():
        if count := statistics.states.get(state, 0):
            add(reason, count, _READ_FIRST.format(journal=journal))
    return tuple(found)

"""Why SIMs are not at their goal, in groups, and what it would take to get them there."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping

from attrs import frozen

from asyncsim import errors
from asyncsim.bulk.records import State, Statistics, Verdict

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

"""The typed error of a row that is not at its goal, as its journal tells of it."""

from __future__ import annotations

from collections.abc import Callable

from asyncsim.bulk import failures
from asyncsim.bulk.records import Head, Result, State, Verdict
from asyncsim.errors import AsyncSimError, JobError, OutcomeUnknown, UnreachableStatus


def error_of(result: Result, head: Head) -> AsyncSimError:
    """Return what went wrong with a row, with a note that says where it stands in the input."""
    error = _of(result, head)
    error.add_note(f"{head.label}, line {result.line}: {result.name}")
    return error


def _of(result: Result, head: Head) -> AsyncSimError:
    if result.error_parts is not None:
        return failures.load(result.error_parts)
    if result.state is State.UNKNOWN:
        return OutcomeUnknown(f"{head.action} {_shown(result)}", _ASK)
    if result.state is State.IMPOSSIBLE and result.verdict is not None:
        return _BY_VERDICT[result.verdict](result, head)
    return AsyncSimError(result.error or f"{_shown(result)}: {result.state.value}")


_ASK = "look for it in the list of what was created for this SIM before it is sent again by hand"


def _shown(result: Result) -> str:
    return result.sid or result.name


def _absent(result: Result, head: Head) -> AsyncSimError:
    return JobError(
        f"unknown SIM {result.name} (line {result.line} of {head.label}): not in this account and"
        " product; check the name"
    )


def _unreachable(result: Result, head: Head) -> AsyncSimError:
    return UnreachableStatus(
        _shown(result), {**head.change, **(result.change or {})}, result.before
    )


def _unreadable(result: Result, head: Head) -> AsyncSimError:
    return JobError(
        f"{result.name} (line {result.line} of {head.label}): {result.error}; nothing was sent"
    )


_BY_VERDICT: dict[Verdict, Callable[[Result, Head], AsyncSimError]] = {
    Verdict.UNKNOWN: _absent,
    Verdict.ILLEGAL: _unreachable,
    Verdict.TERMINAL: _unreachable,
    Verdict.UNREADABLE: _unreadable,
}

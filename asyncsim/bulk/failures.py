"""Errors to JSON text and back, so that they are still typed when a journal is read again.

An error of this package keeps all its parts; of any other, only the text survives.
"""

from __future__ import annotations

import json  # not wire.json: msgspec refuses half a surrogate pair, which a vendor's text may hold
from collections.abc import Callable, Mapping
from typing import Any

from cattrs.errors import BaseValidationError
from cattrs.preconf.json import make_converter

from asyncsim import errors
from asyncsim.bulk import failures
from asyncsim.bulk.records import Head, Result, State, Verdict
from asyncsim.errors import AsyncSimError, JobError, OutcomeUnknown, UnreachableStatus
from asyncsim.models.supersim import esim_profiles, ip_commands, sims as supersims, sms_commands
from asyncsim.models.wireless import commands, sims

_CLASSES: dict[str, type[AsyncSimError]] = {
    name: one
    for name, one in vars(errors).items()
    if isinstance(one, type) and issubclass(one, AsyncSimError)
}
# The kinds that can be waited for: a record of one of these is what an error shows as last seen.
_MODELS: dict[str, type[object]] = {
    f"{kind.product}.{kind.model.__name__}": kind.model
    for kind in (
        sims.SIMS,
        commands.COMMANDS,
        supersims.SIMS,
        sms_commands.SMS_COMMANDS,
        ip_commands.IP_COMMANDS,
        esim_profiles.ESIM_PROFILES,
    )
}
_NAMES = {model: name for name, model in _MODELS.items()}
_RECORD = "asyncsim.record"  # has a dot, so no keyword of a change is called like this
_UNREADABLE = (BaseValidationError, ValueError, TypeError, KeyError, AttributeError)

_converter = make_converter()


def _plain(value: object) -> object:
    if name := _NAMES.get(type(value)):
        return {_RECORD: name, "fields": _converter.unstructure(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(one) for one in value]
    return value if isinstance(value, str | int | float | None) else str(value)


def _rich(value: Any) -> object:
    if isinstance(value, list):
        return tuple(_rich(one) for one in value)
    if not isinstance(value, dict):
        return value
    if _RECORD in value:
        return _converter.structure(value["fields"], _MODELS[value[_RECORD]])
    return {key: _rich(one) for key, one in value.items()}


def _parts(error: Exception) -> dict[str, object] | None:
    if _CLASSES.get(type(error).__name__) is not type(error):
        return None
    # Python keeps notes among the parts; they belong to the run that has ended.
    return {name: _plain(one) for name, one in vars(error).items() if not name.startswith("__")}


def dump(error: Exception) -> str:
    """Write an error as JSON text: name of its class, its text, and its parts if it is ours."""
    name = type(error).__name__
    return json.dumps({"type": name, "text": str(error) or name, "parts": _parts(error)})


def _typed(kind: type[AsyncSimError], parts: Mapping[str, Any]) -> AsyncSimError:
    error = errors._revive(kind, {name: _rich(one) for name, one in parts.items()})
    str(error)  # fails now, and not when it is shown, if another version had other parts
    return error


def load(text: str) -> AsyncSimError:
    """Read what `dump` wrote; never fails.

    What is not an error of this package, or has parts that this version cannot read, becomes an
    `AsyncSimError` with the same text.
    """
    try:
        found = json.loads(text)
        said = str(found["text"])
    except _UNREADABLE:
        return AsyncSimError(text)
    try:
        return _typed(_CLASSES[found["type"]], found["parts"])
    except _UNREADABLE:
        return AsyncSimError(said)


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

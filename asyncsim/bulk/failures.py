"""Errors of rows: stored as JSON text in the journal, and typed again when it is read.

An error of this package keeps all its parts; of any other, only the text survives.
"""

from __future__ import annotations

import json  # not wire.json: msgspec rejects half a surrogate pair, which a vendor's text may hold
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from cattrs.errors import BaseValidationError
from cattrs.preconf.json import make_converter

from asyncsim import errors, wait_errors
from asyncsim.bulk.records import HOPELESS, Head, Result, State, Verdict
from asyncsim.errors import AsyncSimError, JobError, OutcomeUnknown, UnreachableStatus
from asyncsim.models.supersim import esim_profiles, ip_commands, sims as supersims, sms_commands
from asyncsim.models.wireless import commands, sims

_CLASSES: dict[str, type[AsyncSimError]] = {
    name: one
    for name, one in {**vars(errors), **vars(wait_errors)}.items()
    if isinstance(one, type) and issubclass(one, AsyncSimError)
}
# The awaitable kinds: errors store a record of one of these as the last state seen.
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
_RECORD = "asyncsim.record"  # has a dot, so no keyword of a change can have this name
_DATE = "asyncsim.date"
_UNREADABLE = (BaseValidationError, ValueError, TypeError, KeyError, AttributeError)

_converter = make_converter()


def dump(error: Exception) -> str:
    """Write an error as JSON text: class name, message, and its parts if the class is ours."""
    name = type(error).__name__
    parts = None
    if _CLASSES.get(name) is type(error):
        # Python keeps notes among the attributes; they belong to the run that has ended.
        parts = {key: _plain(one) for key, one in vars(error).items() if not key.startswith("__")}
    return json.dumps({"type": name, "text": str(error) or name, "parts": parts})


def _plain(value: object) -> object:
    """Convert a part of an error to JSON values; the reverse of `_typed`."""
    if name := _NAMES.get(type(value)):
        return {_RECORD: name, "fields": _converter.unstructure(value)}
    if isinstance(value, datetime):
        return {_DATE: value.isoformat()}
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(one) for one in value]
    return value if isinstance(value, str | int | float | None) else str(value)


def load(text: str) -> AsyncSimError:
    """Read what `dump` wrote; never fails.

    An error that is not of this package, or has parts that this version cannot read, becomes an
    `AsyncSimError` with the same text.
    """
    try:
        stored = json.loads(text)
        message = str(stored["text"])
    except _UNREADABLE:
        return AsyncSimError(text)
    try:
        kind = _CLASSES[stored["type"]]
        # As unpickling does: the parts are attributes, not arguments of `__init__`.
        error = kind.__new__(kind)
        vars(error).update({name: _typed(one) for name, one in stored["parts"].items()})
        str(error)  # fails now rather than when shown, if another version had other parts
    except _UNREADABLE:
        return AsyncSimError(message)
    return error


def _typed(value: Any) -> object:
    if isinstance(value, list):
        return tuple(_typed(one) for one in value)
    if not isinstance(value, dict):
        return value
    if _DATE in value:
        return datetime.fromisoformat(value[_DATE])
    if _RECORD in value:
        return _converter.structure(value["fields"], _MODELS[value[_RECORD]])
    return {key: _typed(one) for key, one in value.items()}


def error_of(result: Result, head: Head) -> AsyncSimError:
    """The typed error of a row that is not at its goal, with a note of its place in the input."""
    shown = result.sid or result.name
    verdict = result.verdict if result.state is State.IMPOSSIBLE else None
    error: AsyncSimError
    if result.error_parts is not None:
        error = load(result.error_parts)
    elif result.state is State.UNKNOWN:
        look = "look for it in the list of this SIM's commands before you resend it by hand"
        error = OutcomeUnknown(f"{head.action} {shown}", look)
    elif verdict in (Verdict.ILLEGAL, Verdict.TERMINAL):
        error = UnreachableStatus(shown, {**head.change, **(result.change or {})}, result.before)
    elif verdict is not None and verdict in HOPELESS:
        # `error` says what could not be read; for an unknown SIM there is nothing to add.
        why = result.error or HOPELESS[verdict].reason
        error = JobError(
            f"{verdict.value}: {result.name} (line {result.line} of {head.label}): {why};"
            " nothing was sent"
        )
    else:
        error = AsyncSimError(result.error or f"{shown}: {result.state.value}")
    error.add_note(f"{head.label}, line {result.line}: {result.name}")
    return error

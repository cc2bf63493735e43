"""Errors to JSON text and back, so that they are still typed when a journal is read again.

An error of this package keeps all its parts; of any other, only the text survives.
"""

from __future__ import annotations

import json  # not wire.json: orjson refuses half a surrogate pair, which a vendor's text may hold
from collections.abc import Mapping
from typing import Any

from cattrs.errors import BaseValidationError
from cattrs.preconf.json import make_converter

from asyncsim import errors
from asyncsim.errors import AsyncSimError
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

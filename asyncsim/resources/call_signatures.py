"""Keyword signatures that a notebook can complete and `help()` can show."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Iterator
from typing import Any, TypeVar, Unpack, get_args, get_origin

from asyncsim.wire.forms import is_required

F = TypeVar("F", bound=Callable[..., Any])


def expand_keywords(verb: F) -> F:
    """Replace `**changes: Unpack[SimUpdate]` in a method's signature by its keywords.

    It affects only `inspect.signature`; type checkers read the annotation itself.
    """
    signature = inspect.signature(verb)
    hints = typing.get_type_hints(verb, include_extras=True)
    shown = [
        one
        for parameter in signature.parameters.values()
        for one in _expand(parameter, hints.get(parameter.name, parameter.annotation))
    ]
    verb.__signature__ = signature.replace(parameters=shown)  # type: ignore[attr-defined]  # functions take it
    return verb


def _expand(parameter: inspect.Parameter, hint: Any) -> Iterator[inspect.Parameter]:
    if parameter.kind is not inspect.Parameter.VAR_KEYWORD or get_origin(hint) is not Unpack:
        yield parameter
        return
    (keywords,) = get_args(hint)
    marked = typing.get_type_hints(keywords, include_extras=True)
    for name, annotation in typing.get_type_hints(keywords).items():
        needed = is_required(keywords, name, marked[name])
        yield inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if needed else ...,
            annotation=annotation,
        )

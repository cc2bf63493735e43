"""What a model's fields look like, as far as the quick ways of reading need to know."""

from __future__ import annotations

import types
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import attrs

# What all ways read alike; not numbers and amounts, where each has its own leniency.
_ALIKE: tuple[Any, ...] = (str, bool, datetime, dict[str, str], type(None))


def plain_hints(model: type[Any]) -> Mapping[str, Any] | None:
    """The fields' hints; None for a model that only `lenient` can read."""
    hints = get_type_hints(model)
    for one in attrs.fields(model):
        hint = hints[one.name]
        alike = all(part in _ALIKE for part in get_args(hint) or (hint,)) or hint in _ALIKE
        if not (alike or is_open_literal(hint)):
            return None
    return {one.name: hints[one.name] for one in attrs.fields(model)}


def is_open_literal(hint: Any) -> bool:
    """`Literal[...] | str`, with or without None."""
    if get_origin(hint) not in (Union, types.UnionType):
        return False
    rest = [one for one in get_args(hint) if get_origin(one) is not Literal]
    return len(rest) < len(get_args(hint)) and set(rest) <= {str, type(None)} and str in rest

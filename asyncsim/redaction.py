"""Redaction: strings that go out as they are, and whose `repr` shows nothing.

Tracebacks with locals (rich, Sentry, pytest) show each frame's variables, aiohttp's too, by their
`repr`. A `Redacted` credential stays secret there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import SupportsIndex, TypeVar

T = TypeVar("T")


class Redacted(str):
    """A `str` whose `repr`, and that of its slices, shows nothing of it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"

    def __getitem__(self, key: SupportsIndex | slice) -> Redacted:
        # What is long is cut before it is shown.
        return Redacted(super().__getitem__(key))


def redact(value: T) -> T | Redacted:
    """Redact a text; anything else is left to whoever checks it."""
    return Redacted(value) if isinstance(value, str) else value


def redact_all(values: Iterable[str]) -> Sequence[str]:
    """Redact each text; a lone one as such."""
    return Redacted(values) if isinstance(values, str) else tuple(map(redact, values))

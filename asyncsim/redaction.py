"""Redaction: strings that go out as they are, and whose `repr` shows nothing.

Tracebacks with locals (rich, Sentry, pytest) show each frame's variables, aiohttp's too, by their
`repr`. A `Redacted` credential stays secret there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import SupportsIndex, TypeVar

T = TypeVar("T")


class Redacted(str):
    """A `str` whose `repr`, and that of its slices, reveals nothing of it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"

    def __getitem__(self, key: SupportsIndex | slice) -> Redacted:
        # Long values are sliced before they are shown.
        return Redacted(super().__getitem__(key))


class RedactedBytes(bytes):
    """The same for `bytes`; no key has so many that its repr would be cut by slicing it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "b'***'"


def redact(value: T) -> T | Redacted:
    """Redact a text; anything else is returned for the caller to validate."""
    return Redacted(value) if isinstance(value, str) else value


def redact_all(values: Iterable[str]) -> Sequence[str]:
    """Redact each text; a single text is redacted itself."""
    return Redacted(values) if isinstance(values, str) else tuple(map(redact, values))

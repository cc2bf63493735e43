"""How values stand in a journal: as words that people can read in any SQL shell."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from sqlalchemy import Dialect, Text
from sqlalchemy.types import TypeDecorator

from asyncsim.wire import json

E = TypeVar("E", bound=enum.StrEnum)


class Secret(str):
    """Text that the driver's log of statements does not show."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"


class Word(TypeDecorator[E], Generic[E]):
    """A member of an enumeration, as its word."""

    impl = Text
    cache_ok = True

    def __init__(self, words: type[E]) -> None:
        super().__init__()
        self.words = words

    def process_bind_param(self, value: E | None, dialect: Dialect) -> str | None:
        """To its word."""
        return None if value is None else value.value

    def process_result_value(self, value: Any | None, dialect: Dialect) -> E | None:
        """From its word."""
        return None if value is None else self.words(value)


class Moment(TypeDecorator[datetime]):
    """An aware datetime, as ISO text in UTC, so that texts sort as the moments do."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:
        """To `2026-11-21T11:00:00.000000Z`."""
        if value is None:
            return None
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:
        """From that text, aware."""
        return None if value is None else datetime.fromisoformat(value)


class Json(TypeDecorator[Any]):
    """Plain values as JSON text; None is NULL."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any | None, dialect: Dialect) -> str | None:
        """To compact JSON."""
        if value is None:
            return None
        return json.dumps(dict(value) if isinstance(value, Mapping) else value).decode()

    def process_result_value(self, value: Any | None, dialect: Dialect) -> Any | None:
        """From JSON."""
        return None if value is None else json.loads(value.encode())

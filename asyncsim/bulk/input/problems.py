"""What is wrong with an input, collected so that all of it is told at once."""

from __future__ import annotations

from collections.abc import Iterator

MOST = 1000
"""Texts that are kept; of further problems only the number is."""


class Problems:
    """Texts such as `line 5: status cannot be 'actve'`, in input order, and how many there are."""

    def __init__(self, unit: str = "line", most: int = MOST) -> None:
        self.unit = unit
        """What a place in the input is called."""
        self.count = 0
        """All of them, also those whose text is not kept."""
        self._most = most
        self._texts: list[tuple[int, str]] = []

    @property
    def texts(self) -> tuple[str, ...]:
        """The first ones, in the order of their lines; those of the whole input lead."""
        return tuple(text for _, text in sorted(self._texts, key=lambda one: one[0]))

    def add(self, text: str, line: int | None = None) -> None:
        """Take note of a problem of a line, or of the whole input."""
        self.count += 1
        if len(self._texts) < self._most:
            place = "" if line is None else f"{self.unit} {line}: "
            self._texts.append((line or 0, f"{place}{text}"))

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[str]:
        """Give the texts, and in the end how many more there are."""
        yield from self.texts
        if more := self.count - len(self._texts):
            yield f"and {more:,} more"

    def __repr__(self) -> str:
        return f"<Problems: {self.count:,}>"


class Places:
    """Where something was seen: how often, and the first places."""

    def __init__(self, unit: str, most: int = 5) -> None:
        self._unit = unit
        self._most = most
        self._first: list[int] = []
        self.count = 0

    def add(self, line: int) -> None:
        """Take note of a place."""
        self.count += 1
        if len(self._first) < self._most:
            self._first.append(line)

    def __str__(self) -> str:
        shown = ", ".join(str(line) for line in self._first)
        more = f" and {self.count - self._most:,} more" if self.count > self._most else ""
        return f"{self._unit}{'s' if self.count > 1 else ''} {shown}{more}"

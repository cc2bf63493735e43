"""A benchmark's outcome: targets first, then tables, all of it kept as Markdown and as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import asdict, field, frozen

RESULTS = Path(__file__).parent / "results"
HEAD = ("target", "measured", "spread", "bound", "")


def number(value: float) -> str:
    """Write three digits, and large numbers as people do."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


@frozen(kw_only=True)
class Target:
    """A bound, and what was measured."""

    what: str
    measured: float
    bound: float
    at_most: bool = True
    spread: str = ""
    """How sure the figure is: its quartiles, or how it was counted."""

    @property
    def met(self) -> bool:
        """Whether it holds."""
        return self.measured <= self.bound if self.at_most else self.measured >= self.bound

    def cells(self) -> tuple[str, ...]:
        """Show as a row."""
        sign = "≤" if self.at_most else "≥"
        mark = "met" if self.met else "**missed**"
        bound = f"{sign} {number(self.bound)}"
        return (self.what, number(self.measured), self.spread, bound, mark)


@frozen(kw_only=True)
class Table:
    """Figures beside the targets."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]


@frozen(kw_only=True)
class Result:
    """All that one benchmark found."""

    name: str
    question: str
    targets: Sequence[Target]
    tables: Sequence[Table] = ()
    notes: Sequence[str] = ()
    samples: Mapping[str, Any] = field(factory=dict)
    """Everything measured, for the JSON file; the plot is made of it too."""


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Write the lines of a table."""
    lines = [head, ["---"] * len(head), *rows]
    return [f"| {' | '.join(one)} |" for one in lines]


def markdown(result: Result, machine: Mapping[str, str]) -> str:
    """Write a result as a page."""
    lines = [f"# {result.name}", "", result.question, ""]
    if result.targets:
        lines += [*table(HEAD, [one.cells() for one in result.targets]), ""]
    for one in result.tables:
        lines += [f"## {one.title}", "", *table(one.head, one.rows), ""]
    lines += [f"- {note}" for note in result.notes]
    lines += ["", "Measured on: " + "; ".join(f"{key} {value}" for key, value in machine.items())]
    return "\n".join(lines) + "\n"


def keep(result: Result, machine: Mapping[str, str], folder: Path) -> None:
    """Write both files."""
    folder.mkdir(parents=True, exist_ok=True)
    facts = {"machine": dict(machine), **asdict(result)}
    facts["targets"] = [{**asdict(one), "met": one.met} for one in result.targets]
    (folder / f"{result.name}.json").write_text(json.dumps(facts, indent=1) + "\n")
    (folder / f"{result.name}.md").write_text(markdown(result, machine))

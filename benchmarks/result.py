"""Results: targets and tables of a benchmark, kept as Markdown and JSON, with an index of all."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from attrs import asdict, field, frozen

RESULTS = Path(__file__).parent / "results"
HEAD = ("target", "measured", "spread", "bound", "")
_PACKAGES = (
    "aiohttp",
    "attrs",
    "cattrs",
    "orjson",
    "msgspec",
    "uvloop",
    "aiofastnet",
    "httpx",
    "twilio",
)
_ABOUT = (
    "# All targets",
    "",
    "Written by `python -m benchmarks`; what is behind it: [How fast](../../docs/performance.md).",
    "",
)

Facts = Mapping[str, Any]
"""A result as loaded from its JSON file."""


def number(value: float) -> str:
    """Format with three digits, and large numbers with separators."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


@frozen(kw_only=True)
class Target:
    """A bound and the measured value."""

    what: str
    measured: float
    bound: float
    at_most: bool = True
    spread: str = ""
    """The precision of the figure: its quartiles, or how it was counted."""

    @property
    def met(self) -> bool:
        """Whether the bound holds."""
        return self.measured <= self.bound if self.at_most else self.measured >= self.bound

    def cells(self) -> tuple[str, ...]:
        """The cells of its table row."""
        sign = "≤" if self.at_most else "≥"
        mark = "met" if self.met else "**missed**"
        bound = f"{sign} {number(self.bound)}"
        return (self.what, number(self.measured), self.spread, bound, mark)


@frozen(kw_only=True)
class Table:
    """Figures without a bound."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]


@frozen(kw_only=True)
class Result:
    """Everything that one benchmark found."""

    name: str
    question: str
    targets: Sequence[Target]
    tables: Sequence[Table] = ()
    notes: Sequence[str] = ()
    samples: Mapping[str, Any] = field(factory=dict)
    """All measurements, for the JSON file and the plot."""


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


def kept(folder: Path) -> dict[str, Facts]:
    """Read all results of a folder, by name."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}


def targets_of(facts: Facts) -> list[Target]:
    """Rebuild the targets from a loaded result."""
    names = [field.name for field in Target.__attrs_attrs__]
    return [Target(**{name: one[name] for name in names}) for one in facts["targets"]]


def _section(name: str, facts: Facts) -> list[str]:
    machine = facts["machine"]
    when = f"Measured {machine['measured']}, load {machine['load']}."
    lines = [f"## [{name}]({name}.md)", "", facts["question"], "", when, ""]
    if facts["targets"]:
        lines += [*table(HEAD, [one.cells() for one in targets_of(facts)]), ""]
    return lines


def index(results: Mapping[str, Facts]) -> str:
    """Write the index page."""
    targets = [one for facts in results.values() for one in targets_of(facts)]
    met = sum(one.met for one in targets)
    lines = [*_ABOUT, f"{met} of {len(targets)} targets are met.", ""]
    for name, facts in results.items():
        lines += _section(name, facts)
    for facts in list(results.values())[-1:]:
        what = (f"{key} {value}" for key, value in facts["machine"].items())
        lines.append(f"The machine: {'; '.join(what)}")
    return "\n".join(lines) + "\n"


def write_index(folder: Path) -> None:
    """Write the index page of a folder."""
    (folder / "README.md").write_text(index(kept(folder)))


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor())


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"


def describe() -> dict[str, str]:
    """Describe the machine and the versions of everything measured."""
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg()) if hasattr(os, "getloadavg") else "?"
    return {
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "system": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "load": load,
        "measured": datetime.now(UTC).isoformat(timespec="minutes"),
        **{name: _version(name) for name in _PACKAGES},
    }

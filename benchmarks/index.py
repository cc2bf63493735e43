"""The page about all results that are kept: every target of every benchmark."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.result import HEAD, Target, table

_ABOUT = (
    "# All targets",
    "",
    "Written by `python -m benchmarks`; what is behind it: [How fast](../../docs/performance.md).",
    "",
)

Facts = Mapping[str, Any]
"""A result as its JSON file has it."""


def kept(folder: Path) -> dict[str, Facts]:
    """Read all results of a folder, by name."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}


def targets_of(facts: Facts) -> list[Target]:
    """Make targets of what was kept of them."""
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
    """Write the page."""
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
    """Write the page of a folder."""
    (folder / "README.md").write_text(index(kept(folder)))

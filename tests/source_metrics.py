"""Metrics of the source that no linter has: `python -m tests.source_metrics` prints them."""

from __future__ import annotations

import ast
import io
import re
import statistics
import tokenize
from collections import Counter, defaultdict
from functools import cache
from pathlib import Path

from attrs import frozen

PACKAGE = Path(__file__).parent.parent / "asyncsim"

PER_KIND = frozenset({"monitor", "supersim", "webhooks", "wireless"})
"""Folders with one file per kind, at the same relative path in several packages."""

COMMENTED = ("bulk", "core", "http", "waiting")
"""Packages whose rules have their reasons elsewhere, so that comments must state them."""

_DIRECTIVE = re.compile(r"#:?\s*(noqa|type:|pragma|pyright|mypy)")


@frozen
class Function:
    """One function or method."""

    name: str
    lines: int
    """From its `def` to its last line, docstring included."""
    uses: int
    """Occurrences of its name in its own module."""

    @property
    def is_private(self) -> bool:
        """Whether its name is private."""
        return self.name.startswith("_") and not self.name.startswith("__")


@frozen
class Module:
    """One source file."""

    path: str
    """Relative to the package: `waiting/watcher.py`."""
    lines: int
    comments: int
    """Their number, without directives such as `noqa`."""
    functions: tuple[Function, ...]
    classes: tuple[str, ...]

    @property
    def is_of_a_kind(self) -> bool:
        """Whether this is one of the files per kind."""
        return bool(PER_KIND.intersection(Path(self.path).parts))


@cache
def modules() -> tuple[Module, ...]:
    """Read all modules of the package."""
    return tuple(map(_read, sorted(PACKAGE.rglob("*.py"))))


def names_used_twice() -> dict[str, list[str]]:
    """Module names in more than one package -> paths, without the files per kind."""
    places: dict[str, list[str]] = defaultdict(list)
    for one in modules():
        name = Path(one.path).stem
        if not one.is_of_a_kind and not name.startswith("__"):
            places[name].append(one.path)
    return {name: found for name, found in places.items() if len(found) > 1}


def classes_used_twice() -> dict[str, int]:
    """Class names that occur more than once -> count, without the files per kind."""
    counted = Counter(name for one in modules() if not one.is_of_a_kind for name in one.classes)
    return {name: count for name, count in counted.items() if count > 1}


def comment_share(package: str) -> float:
    """Comments per 100 lines in one package."""
    inside = [one for one in modules() if one.path.startswith(f"{package}/")]
    return 100 * sum(one.comments for one in inside) / sum(one.lines for one in inside)


def _read(path: Path) -> Module:
    source = path.read_text("utf-8")
    nodes = [*ast.walk(ast.parse(source))]
    used = Counter(n.id for n in nodes if isinstance(n, ast.Name))
    used.update(n.attr for n in nodes if isinstance(n, ast.Attribute))
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    comments = [t.string for t in tokens if t.type == tokenize.COMMENT]
    return Module(
        path=path.relative_to(PACKAGE).as_posix(),
        lines=len(source.splitlines()),
        comments=sum(_DIRECTIVE.match(text) is None for text in comments),
        functions=tuple(
            Function(n.name, (n.end_lineno or n.lineno) - n.lineno + 1, used[n.name])
            for n in nodes
            if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)
        ),
        classes=tuple(n.name for n in nodes if isinstance(n, ast.ClassDef)),
    )


def main() -> None:
    """Print the metrics."""
    every = modules()
    functions = [one for module in every for one in module.functions]
    lengths = [one.lines for one in functions]
    once = [one for one in functions if one.is_private and one.uses == 1]
    mechanics = [one for one in every if not one.is_of_a_kind and not one.path.startswith("models")]
    print(f"lines                                {sum(one.lines for one in every):6}")
    print(f"modules                              {len(every):6}")
    print(f"modules of mechanics                 {len(mechanics):6}")
    print(f"functions                            {len(functions):6}")
    print(f"lines of a function, median          {statistics.median(lengths):6.0f}")
    print(f"lines of a function, mean            {statistics.mean(lengths):6.1f}")
    print(f"private functions called once        {len(once):6} ({len(once) / len(functions):.0%})")
    for package in COMMENTED:
        print(f"comments per 100 lines, {package:12} {comment_share(package):6.1f}")
    print(f"class names used twice               {sorted(classes_used_twice())}")
    print(f"module names in two packages         {sorted(names_used_twice())}")


if __name__ == "__main__":
    main()

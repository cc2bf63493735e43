"""`python -m benchmarks.figures`: fill the documents' places with the kept results.

A place is what stands between `<!-- figures: WHAT -->` and `<!-- /figures -->`. WHAT is

- `targets NAME`: the targets of a benchmark; `targets NAME: WORDS` those that have all the words;
- `table NAME: TITLE`: one of its tables;
- `plot NAME`: its plot;
- `missed`: the benchmarks that miss targets, and how many;
- `machine`: what it was measured on;
- `summary`: a few targets of many benchmarks, named by `FIGURES`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from attrs import frozen

from benchmarks.result import HEAD, RESULTS, Facts, kept, number, table, targets_of

_ROOT = Path(__file__).parent.parent
DOCUMENTS = tuple(_ROOT / one for one in ("README.md", "docs/design.md", "docs/performance.md"))
_PLACE = re.compile(r"(<!-- figures: (.*?) -->\n).*?(<!-- /figures -->)", re.DOTALL)
_NOT_YET = ["Not measured yet."]

Results = Mapping[str, Facts]


@frozen
class Figure:
    """A row of the summary: what it is called, and its target."""

    text: str
    benchmark: str
    target: str
    """The beginning of what the benchmark calls it."""


FIGURES = (
    Figure(
        "1,000 Programmable Wireless Sims as records, times as fast as twilio-python",
        "pages",
        "Programmable Wireless, asyncsim, records",
    ),
    Figure("1,000 Super SIMs, the same", "pages", "Super SIM, asyncsim, records"),
    Figure(
        "CPU of `fetch`, relative to bare aiohttp with orjson; by TLS",
        "requests",
        "Programmable Wireless, fetch, TLS: CPU",
    ),
    Figure("CPU of `update`, the same", "requests", "Programmable Wireless, update, TLS: CPU"),
    Figure(
        "the same with the extra `speed`, relative to bare aiohttp without",
        "requests",
        "Programmable Wireless, update, TLS, with `speed` to asyncio: CPU",
    ),
    Figure(
        "time of 10,000 updates, the limit unknown, relative to the least possible (simulated)",
        "fan_out",
        "limit of 100: time to bound",
    ),
    Figure(
        "requests per SIM until it has settled, 1,000 SIMs (simulated)",
        "waiting",
        "requests, 1000 SIMs, all there is",
    ),
    Figure(
        "the same with callbacks, of which 1 % are lost (simulated)",
        "waiting",
        "requests, 1000, callbacks",
    ),
    Figure(
        "instructions per callback, relative to a bare aiohttp handler",
        "callbacks",
        "instructions against",
    ),
    Figure("wrong responses, of 200 in flight", "responses", "asyncsim"),
)


class NoSuchPlace(Exception):
    """A document asks for what no benchmark has."""


def _targets(results: Results, name: str, words: str) -> list[str]:
    targets = targets_of(results[name])
    rows = [one.cells() for one in targets if all(word in one.what for word in words.split())]
    if not rows:
        raise NoSuchPlace(f"no target of {name} has all of: {words}")
    return table(HEAD, rows)


def _table(results: Results, name: str, title: str) -> list[str]:
    for one in results[name]["tables"]:
        if one["title"] == title:
            return table(one["head"], one["rows"])
    raise NoSuchPlace(f"{name} has no table called {title}")


def _plot(results: Results, name: str, _: str) -> list[str]:
    return [f"![{results[name]['question']}](../benchmarks/results/{name}.svg)"]


_OF_ONE: dict[str, Callable[[Results, str, str], list[str]]] = {
    "targets": _targets,
    "table": _table,
    "plot": _plot,
}


def _missed(results: Results) -> list[str]:
    rows = []
    for name, facts in results.items():
        targets = targets_of(facts)
        if targets:
            missed = sum(not one.met for one in targets)
            link = f"[{name}](../benchmarks/results/{name}.md)"
            rows.append((link, str(len(targets)), str(len(targets) - missed), str(missed)))
    return table(("benchmark", "targets", "met", "missed"), rows)


def _machine(results: Results) -> list[str]:
    about = dict(next(iter(results.values()))["machine"])
    about["load"] = f"{about['load']} before the first"
    return [f"- {key}: {value}" for key, value in about.items()]


def _summary(results: Results) -> list[str]:
    """Write a row for each figure; of what was not measured, none."""
    rows = []
    for one in FIGURES:
        targets = targets_of(results[one.benchmark]) if one.benchmark in results else []
        found = next((target for target in targets if target.what.startswith(one.target)), None)
        if found is not None:
            bound = f"{'≤' if found.at_most else '≥'} {number(found.bound)}"
            rows.append((one.text, number(found.measured), bound))
    return table(("what", "measured", "target"), rows)


_OF_ALL: dict[str, Callable[[Results], list[str]]] = {
    "missed": _missed,
    "machine": _machine,
    "summary": _summary,
}


def figures(results: Results, what: str) -> list[str]:
    """Write the lines of a place."""
    kind, _, rest = what.partition(" ")
    if kind in _OF_ALL:
        return _OF_ALL[kind](results)
    if kind not in _OF_ONE:
        raise NoSuchPlace(f"figures: {what}")
    name, _, about = rest.partition(": ")
    return _OF_ONE[kind](results, name, about) if name in results else _NOT_YET


def rewritten(text: str, results: Results) -> str:
    """Fill all places of a text."""

    def fill(place: re.Match[str]) -> str:
        return f"{place[1]}\n{chr(10).join(figures(results, place[2]))}\n\n{place[3]}"

    return _PLACE.sub(fill, text)


def main() -> None:
    """Fill all places of all documents."""
    results = kept(RESULTS)
    for path in DOCUMENTS:
        text = path.read_text(encoding="utf-8")
        path.write_text(rewritten(text, results), encoding="utf-8")


if __name__ == "__main__":
    main()

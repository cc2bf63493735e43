"""`python -m benchmarks.figures`: fill the documents' placeholders from the kept results.

A placeholder is the text between `<!-- figures: WHAT -->` and `<!-- /figures -->`. WHAT is

- `table NAME: TITLE`: a table of a benchmark;
- `summary`: a few targets of many benchmarks, named by `FIGURES`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from attrs import frozen

from benchmarks.result import RESULTS, Facts, kept, number, table, targets_of

_ROOT = Path(__file__).parent.parent
_PAGES = ("README.md", "docs/capacity.md", "docs/design.md", "docs/performance.md")
DOCUMENTS = tuple(_ROOT / one for one in _PAGES)
_PLACEHOLDER = re.compile(r"(<!-- figures: (.*?) -->\n).*?(<!-- /figures -->)", re.DOTALL)
_NOT_YET = ["Not measured yet."]

Results = Mapping[str, Facts]


@frozen
class Figure:
    """A row of the summary: what was measured, its unit, and what it is relative to."""

    text: str
    unit: str
    relative_to: str
    benchmark: str
    target: str
    """The beginning of what the benchmark calls it."""


FIGURES = (
    Figure(
        "read a page of 1,000 Programmable Wireless Sims into records",
        "times as fast",
        "twilio-python",
        "pages",
        "Programmable Wireless, asyncsim, records",
    ),
    Figure(
        "read a page of 1,000 Super SIMs into records",
        "times as fast",
        "twilio-python",
        "pages",
        "Super SIM, asyncsim, records",
    ),
    Figure(
        "`fetch` over TLS",
        "times the CPU",
        "aiohttp and orjson",
        "requests",
        "Programmable Wireless, fetch, TLS: CPU",
    ),
    Figure(
        "`update` over TLS",
        "times the CPU",
        "aiohttp and orjson",
        "requests",
        "Programmable Wireless, update, TLS: CPU",
    ),
    Figure(
        "`update` over TLS with the extra `speed`",
        "times the CPU",
        "aiohttp and orjson, on asyncio's loop",
        "requests",
        "Programmable Wireless, update, TLS, with `speed` to asyncio: CPU",
    ),
    Figure(
        "send 10,000 updates, the concurrency limit unknown (simulated)",
        "times as long",
        "the limit known",
        "fan_out",
        "limit of 100: time to bound",
    ),
    Figure(
        "the same from four processes that share the limit, which falls to 20 and rises again",
        "times as long",
        "the limit known",
        "shared_limit",
        "4 processes, falls to 20 and rises again, real: time to bound",
    ),
    Figure(
        "learn that 1,000 SIMs have settled (simulated)",
        "requests per SIM",
        "6.6 by polling",
        "waiting",
        "requests, 1000 SIMs, all there is",
    ),
    Figure(
        "the same with callbacks, 1 % of them lost (simulated)",
        "requests per SIM",
        "",
        "waiting",
        "requests, 1000, callbacks",
    ),
    Figure(
        "verify a callback and end its wait",
        "times the instructions",
        "an aiohttp handler that responds only",
        "callbacks",
        "instructions against",
    ),
    Figure("wrong responses, 200 requests in flight", "", "", "responses", "asyncsim"),
)


class UnknownPlaceholder(Exception):
    """A placeholder names something that no benchmark has."""


def _table(results: Results, name: str, title: str) -> list[str]:
    if name not in results:
        return _NOT_YET
    for one in results[name]["tables"]:
        if one["title"] == title:
            return table(one["head"], one["rows"])
    raise UnknownPlaceholder(f"{name} has no table called {title}")


def _summary(results: Results) -> list[str]:
    """A row per figure, without those not measured."""
    rows = []
    for one in FIGURES:
        targets = targets_of(results[one.benchmark]) if one.benchmark in results else []
        found = next((target for target in targets if target.what.startswith(one.target)), None)
        if found is not None:
            bound = f"{'≤' if found.at_most else '≥'} {number(found.bound)}"
            measured = f"{number(found.measured)} {one.unit}".strip()
            rows.append((one.text, measured, one.relative_to, bound))
    return table(("operation", "asyncsim", "relative to", "target"), rows)


def figures(results: Results, what: str) -> list[str]:
    """The lines of one placeholder."""
    if what == "summary":
        return _summary(results)
    kind, _, rest = what.partition(" ")
    name, _, title = rest.partition(": ")
    if kind != "table":
        raise UnknownPlaceholder(f"figures: {what}")
    return _table(results, name, title)


def rewritten(text: str, results: Results) -> str:
    """Fill all placeholders of a text."""

    def fill(match: re.Match[str]) -> str:
        return f"{match[1]}\n{chr(10).join(figures(results, match[2]))}\n\n{match[3]}"

    return _PLACEHOLDER.sub(fill, text)


def main() -> None:
    """Fill all placeholders of all documents."""
    results = kept(RESULTS)
    for path in DOCUMENTS:
        text = path.read_text(encoding="utf-8")
        path.write_text(rewritten(text, results), encoding="utf-8")


if __name__ == "__main__":
    main()

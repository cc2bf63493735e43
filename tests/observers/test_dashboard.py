"""The Grafana dashboard queries what the exporter really shows."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from asyncsim import Client
from asyncsim.observers.prometheus import Prometheus
from tests.observers.test_tally import EXAMPLES, FINISHED

DASHBOARD = Path(__file__).parents[2] / "examples" / "grafana-dashboard.json"
LOADED: dict[str, Any] = json.loads(DASHBOARD.read_text("utf-8"))


def queries() -> Iterator[tuple[str, str]]:
    for panel in LOADED["panels"]:
        for target in panel.get("targets", ()):
            yield f"{panel['title']} {target['refId']}", target["expr"]
    for variable in LOADED["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["name"], variable["query"]["query"]


QUERIES = list(queries())
_METRIC = re.compile(r"\b(asyncsim_\w+)(?:\{([^}]*)\})?")
_GROUPED = re.compile(r"\bby \(([^)]*)\)")
_SELECTED = re.compile(r'(\w+)\s*(?:=~|!~|!=|=)\s*"')
_SHOWN = re.compile(r"{{(\w+)}}")


@pytest.fixture(scope="module")
def exposed() -> dict[str, set[str]]:
    """Name of each sample -> its labels, once everything has happened at least once."""
    registry = CollectorRegistry()
    observer = Prometheus(registry=registry)
    client = Client.twilio("AC" + "1" * 32, "secret", observers=[observer])
    for event in (*EXAMPLES, structs.replace(FINISHED, status=429)):
        observer(event)
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(generate_latest(registry).decode()):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    assert not client.closed
    return found


@pytest.mark.parametrize(
    "query", [query for _, query in QUERIES], ids=[name for name, _ in QUERIES]
)
def test_every_metric_and_label_of_a_query_exists(query: str, exposed: dict[str, set[str]]) -> None:
    used = [(found[1], found[2] or "") for found in _METRIC.finditer(query)]
    assert used
    for metric, selector in used:
        assert metric in exposed
        assert set(_SELECTED.findall(selector)) <= exposed[metric]
    grouped = {one.strip() for group in _GROUPED.findall(query) for one in group.split(",")}
    assert grouped <= set.intersection(*(exposed[metric] for metric, _ in used))
    assert query.count("(") == query.count(")")


def test_every_legend_shows_labels_that_its_query_keeps() -> None:
    for panel in LOADED["panels"]:
        for target in panel.get("targets", ()):
            kept = {
                one.strip()
                for group in _GROUPED.findall(target["expr"])
                for one in group.split(",")
            }
            assert set(_SHOWN.findall(target["legendFormat"])) <= kept, panel["title"]


def test_every_metric_is_on_the_dashboard(exposed: dict[str, set[str]]) -> None:
    asked = {found[1] for _, query in QUERIES for found in _METRIC.finditer(query)}
    names = {name for name in exposed if not name.endswith("_created")}
    series = {re.sub(r"_(bucket|sum|count)$", "", name) for name in names}
    assert series == {re.sub(r"_bucket$", "", name) for name in asked}


def test_panels_do_not_overlap_and_have_a_description() -> None:
    seen: set[tuple[int, int]] = set()
    for panel in LOADED["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & seen, panel["title"]
        seen |= cells
        assert panel["type"] == "row" or panel["description"].endswith(".")
    ids = [panel["id"] for panel in LOADED["panels"]]
    assert len(set(ids)) == len(ids)


def test_the_documents_list_every_metric_with_its_labels(exposed: dict[str, set[str]]) -> None:
    page = (DASHBOARD.parents[1] / "docs" / "observability.md").read_text("utf-8")
    rows = re.findall(r"^\| `(asyncsim_\w+)` \| ([^|]+) \|", page, re.MULTILINE)
    documented = {name: set(re.findall(r"`(\w+)`", labels)) for name, labels in rows}
    shown: dict[str, set[str]] = {}
    for name, labels in exposed.items():
        if not name.endswith("_created"):
            shown[re.sub(r"_(bucket|sum|count)$", "", name)] = labels - {"le"}
    assert documented == shown

"""Metrics as prometheus_client's own registry shows them to a scraper."""

from __future__ import annotations

import asyncio
import gc
import re
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from asyncsim import NotFound, Throttle
from asyncsim.clock import ManualClock
from asyncsim.emulator import Emulator, Faults
from asyncsim.observers.prometheus import Prometheus
from tests.integration.harness import APIS, LATENCY, Api, Harness, complete, open_harness


class Metrics:
    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.observer = Prometheus(registry=self.registry)

    @property
    def text(self) -> str:
        return generate_latest(self.registry).decode()

    @property
    def samples(self) -> Iterator[Any]:
        return (
            one for family in text_string_to_metric_families(self.text) for one in family.samples
        )

    def values(self, name: str, *labels: str) -> dict[Any, float]:
        """Values of a metric by those labels, summed over others; a single label unpacked."""
        found: dict[Any, float] = {}
        for sample in self.samples:
            if sample.name == name:
                key = tuple(sample.labels[label] for label in labels)
                key = key[0] if len(labels) == 1 else key
                found[key] = found.get(key, 0.0) + sample.value
        return found


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


async def activate_all(harness: Harness) -> None:
    changes = {sid: {"status": "active"} for sid in harness.sids}
    await harness.collect(harness.sims.update_many(changes))


@pytest.mark.parametrize("api", APIS, ids="-".join)
async def test_requests_waits_and_calls_are_counted_and_timed(
    metrics: Metrics, clock: ManualClock, api: Api
) -> None:
    async with open_harness(clock, api, observers=[metrics.observer]) as harness:
        await harness.complete(harness.sims.update_and_wait(harness.sid, status="active"))
        with pytest.raises(NotFound):
            await harness.sims.fetch("no-such-sim")
        sent = len(harness.posts())
        requests = harness.client.requests
    labels = ("vendor", "product", "operation", "status_class")
    found = metrics.values("asyncsim_requests_total", *labels)
    assert found[*api, "POST /v1/Sims/{sid}", "2xx"] == sent == 1
    assert found[*api, "GET /v1/Sims/{sid}", "4xx"] == 1
    assert sum(found.values()) == requests
    timed = metrics.values("asyncsim_request_duration_seconds_count", *labels[:3])
    assert sum(timed.values()) == requests
    waits = metrics.values("asyncsim_waits_total", "vendor", "product", "resource", "outcome")
    assert waits == {(*api, "sims", "ok"): 1}
    assert metrics.values("asyncsim_waits_total", "settled_by") == {"read": 1}
    (seconds,) = metrics.values("asyncsim_wait_duration_seconds_sum", "resource").values()
    assert seconds >= 20
    calls = metrics.values("asyncsim_calls_total", "call", "outcome")
    assert calls.get(("mint_token", "ok"), 0) == (api.vendor == "kore")
    calls.pop(("mint_token", "ok"), None)
    assert calls == {("sims.update_and_wait", "ok"): 1, ("sims.fetch", "NotFound"): 1}
    assert metrics.values("asyncsim_tokens_total") == ({(): 1} if api.vendor == "kore" else {})


async def test_throttling_retries_sweeps_and_callbacks_are_counted(
    metrics: Metrics, clock: ManualClock
) -> None:
    settings: dict[str, Any] = {
        "observers": [metrics.observer],
        "listens": True,
        "receiver": {"observers": [metrics.observer]},
        "world": {"faults": Faults(rate_limited=0.2, lost_callbacks=0.5, seed=2)},
    }
    async with open_harness(clock, sims=60, **settings) as harness:
        await activate_all(harness)
    throttled = metrics.values("asyncsim_throttled_requests_total", "vendor", "product")
    assert throttled == {("twilio", "supersim"): throttled["twilio", "supersim"]}
    assert sum(throttled.values()) > 5
    assert sum(metrics.values("asyncsim_retries_total").values()) >= sum(throttled.values())
    assert sum(metrics.values("asyncsim_limit_decreases_total", "vendor").values()) >= 1
    assert 20 < metrics.values("asyncsim_callbacks_total", "kind")["signed"] < 60
    assert set(metrics.values("asyncsim_sweeps_total", "kind")) <= {"sweep", "scan"}
    pages = metrics.values("asyncsim_sweep_pages_total")[()]
    assert pages >= sum(metrics.values("asyncsim_sweeps_total").values()) >= 1
    assert sum(metrics.values("asyncsim_waits_total").values()) == 60


async def test_rows_and_runs_of_a_job_are_counted(
    metrics: Metrics, clock: ManualClock, tmp_path: Path
) -> None:
    from asyncsim import bulk
    from tests.bulk.places import Place
    from tests.bulk.runs.conftest import JobEnv

    async with open_harness(clock) as harness:
        env = JobEnv(harness, Place(tmp_path))

        async def go() -> None:
            async with env.journal() as journal:
                await bulk.run(
                    env.job(), harness.client, journal=journal, observers=[metrics.observer]
                )

        await env.complete(go())
    rows = metrics.values("asyncsim_job_rows_total", "vendor", "product", "state")
    assert rows["twilio", "supersim", "done"] == 3
    assert metrics.values("asyncsim_job_runs_total", "stopped") == {"false": 1}


GAUGES = (
    "asyncsim_concurrency_limit",
    "asyncsim_requests_in_flight",
    "asyncsim_queued_requests",
    "asyncsim_pending_waits",
    "asyncsim_clients",
)


async def test_gauges_are_read_at_the_scrape_and_closed_clients_vanish(
    metrics: Metrics, clock: ManualClock
) -> None:
    async with Emulator(sims=3, clock=clock, latency=LATENCY) as emulator:
        shared = Throttle(limit=1, maximum=1)
        one = emulator.client(observers=[metrics.observer], throttle=shared)
        other = emulator.client(observers=[metrics.observer], throttle=shared)
        kore = emulator.client("kore", observers=[metrics.observer], throttle=Throttle(limit=7))
        assert metrics.values("asyncsim_clients", "vendor") == {"twilio": 2, "kore": 1}
        (sim, *_) = await one.supersim.sims.list()
        emulator.faults = Faults(answer_takes=5.0)
        fetches = [one.supersim.sims.fetch(sim.sid), other.supersim.sims.fetch(sim.sid)]
        wait = one.supersim.sims.update_and_wait(sim.sid, status="active")
        tasks = [asyncio.create_task(work) for work in (*fetches, wait)]
        await clock.settle()
        shown = {name: metrics.values(name, "vendor")["twilio"] for name in GAUGES}
        # The limit is shared, so it counts once; what is queued and pending is each client's own.
        assert list(shown.values()) == [1, 1, 2, 1, 2]
        assert metrics.values("asyncsim_concurrency_limit", "vendor")["kore"] == 7
        await complete(clock, asyncio.gather(*tasks))
        await one.close()
        assert metrics.values("asyncsim_clients", "vendor") == {"twilio": 1, "kore": 1}
        await other.close()
        await kore.close()
    assert all(metrics.values(name, "vendor") == {} for name in GAUGES)


async def test_a_client_that_is_gone_vanishes_without_being_closed(
    metrics: Metrics, clock: ManualClock
) -> None:
    async with Emulator(sims=1, clock=clock) as emulator:
        client = emulator.client(observers=[metrics.observer])
        assert metrics.values("asyncsim_clients", "vendor") == {"twilio": 1}
        del client
        gc.collect()
        assert metrics.values("asyncsim_clients", "vendor") == {}


def test_names_have_units_and_labels_no_identifier(metrics: Metrics) -> None:
    families = list(metrics.registry.collect())
    assert len(families) > 15
    for family in families:
        assert family.name.startswith("asyncsim_")
        assert family.documentation.endswith(".")
        unit = family.name.endswith("_seconds")
        assert unit is (family.type == "histogram")


async def test_the_number_of_series_does_not_grow_with_the_sims(
    metrics: Metrics, clock: ManualClock
) -> None:
    async def series(sims: int) -> set[str]:
        one = Metrics()
        async with open_harness(clock, observers=[one.observer], sims=sims) as harness:
            await activate_all(harness)
            text = one.text
        assert not re.search(r"HS[0-9a-f]{32}", text)
        lines = [line for line in text.splitlines() if not line.startswith("#")]
        return {line.rpartition(" ")[0] for line in lines}

    # Sweeps are for many SIMs only.
    few, many = await series(50), await series(200)
    assert len(many - few) < 40


async def test_two_observers_of_one_registry_are_rejected(metrics: Metrics) -> None:
    with pytest.raises(ValueError, match="Duplicated"):
        Prometheus(registry=metrics.registry)


def test_without_the_extra_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    monkeypatch.delitem(sys.modules, "asyncsim.observers.prometheus")
    with pytest.raises(ImportError, match=r'pip install "asyncsim\[prometheus\]"'):
        import_module("asyncsim.observers.prometheus")

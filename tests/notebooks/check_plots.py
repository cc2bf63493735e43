"""Plots of a real job, drawn as pictures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import vl_convert

from asyncsim import CallbackReceiver, Watching, bulk, plots
from asyncsim.emulator import Emulator, Faults
from asyncsim.observers import Recorder

WATCHING = Watching(first=0.05, longest=0.3, sweep_every=0.1, safety_every=0.3, stale_for=0.1)
FAULTS = Faults(lost_callbacks=0.3, failing_updates=0.05, rate_limited=0.05, seed=7)


@pytest.fixture
async def recorder(tmp_path: Path) -> Recorder:
    """The events of a job with faults."""
    recorder = Recorder()
    async with (
        Emulator(sims=120, speed=100, faults=FAULTS) as emulator,
        emulator.client(
            receiver=CallbackReceiver(), observers=[recorder], watching=WATCHING
        ) as client,
        bulk.Journal.open(tmp_path / "job.db") as journal,
    ):
        page = await client.supersim.sims.list()
        job = bulk.Job.from_rows(page, product="supersim", change={"status": "active"})
        await bulk.run(job, client, journal=journal, observers=[recorder])
    return recorder


def drawn(chart: Any) -> dict[str, Any]:
    """Return the specification of a chart that could be drawn."""
    specification: dict[str, Any] = json.loads(chart.to_json())
    picture = vl_convert.vegalite_to_png(specification)
    assert picture.startswith(b"\x89PNG")
    assert len(picture) > 4000
    return specification


def values(specification: dict[str, Any]) -> Any:
    """Return the data in a specification, or in its first layer."""
    return (specification.get("data") or specification["layer"][0]["data"])["values"]


async def test_each_plot_is_drawn_from_its_data_and_sets_no_background(recorder: Recorder) -> None:
    for plot, data in (
        (plots.timeline, plots.timeline_data),
        (plots.settling, plots.settling_data),
        (plots.limit, plots.limit_data),
    ):
        specification = drawn(plot(recorder))
        rows = data(recorder)
        assert rows
        assert rows == values(specification)
        assert specification["background"] == "transparent"


async def test_groups_are_compared_in_one_plot(recorder: Recorder) -> None:
    specification = drawn(plots.settling({"first": recorder, "second": recorder}))
    assert '"group"' in json.dumps(specification)

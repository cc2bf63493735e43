"""Requests per SIM when waiting for thousands at once, without callbacks, POST included.

Changes take the emulator's default time: a median of 20 s, some take minutes. Run by
`nox -s scale`; tests/waiting/test_costs.py bounds the same without sockets.
"""

from __future__ import annotations

from typing import Any

from asyncsim.emulator import Latency
from tests.integration.conftest import OpenHarness
from tests.integration.harness import Api, Harness


async def requests_per_sim(harness: Harness, ours: int) -> float:
    every = len(harness.sids) // ours
    chosen = harness.sids[::every][:ours]
    changes = ((sid, {"status": "active"}) for sid in chosen)
    outcomes: dict[str, Any] = await harness.collect(harness.sims.update_many(changes, window=ours))
    assert len(outcomes) == ours
    assert all(one.ok for one in outcomes.values())
    return len(harness.emulator.requests) / ours


async def test_10_000_sims_that_are_the_whole_list_need_1_1_requests_each(
    start_harness: OpenHarness,
) -> None:
    harness = await start_harness(
        Api("twilio", "supersim"), sims=10_000, world={"latency": Latency()}
    )
    assert await requests_per_sim(harness, 10_000) <= 1.1


async def test_3_000_sims_among_15_000_others_need_2_15_requests_each(
    start_harness: OpenHarness,
) -> None:
    harness = await start_harness(
        Api("kore", "wireless"), sims=18_000, world={"latency": Latency()}
    )
    assert await requests_per_sim(harness, 3_000) <= 2.15

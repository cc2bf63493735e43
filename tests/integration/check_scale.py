"""The bounds of test_scale.py at full size; run by `nox -s scale`."""

from __future__ import annotations

from asyncsim.emulator import Latency
from tests.integration.conftest import OpenHarness
from tests.integration.harness import Api
from tests.integration.test_scale import requests_per_sim


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

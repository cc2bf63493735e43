"""Credentials that are rotated, and revoked at the vendor, while a job runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from attrs import evolve

from asyncsim.events import Event, RowMoved
from tests.bulk.runs.conftest import OpenEnv
from tests.integration.harness import Api


class Watched(list[Event]):
    """Calls back once, after so many rows have moved."""

    def __init__(self, moment: int, call: Callable[[], object]) -> None:
        self._moment = moment
        self._call = call
        self.called = False

    def append(self, event: Event) -> None:
        super().append(event)
        moved = sum(isinstance(one, RowMoved) for one in self)
        if moved == self._moment and not self.called:
            self.called = True
            self._call()


@pytest.mark.parametrize(("vendor", "moment"), [("twilio", 3), ("kore", 40), ("twilio", 80)])
async def test_a_job_goes_on_with_the_new_credentials(
    open_env: OpenEnv, vendor: Any, moment: int
) -> None:
    env = await open_env(Api(vendor, "supersim"), sims=30)
    harness = env.harness
    keyword = "auth_token" if vendor == "twilio" else "client_secret"
    new: Any = {keyword: "new"}

    def rotate() -> None:
        world = harness.emulator.world(vendor)
        world.credentials = evolve(world.credentials, **new)
        harness.emulator.expire_tokens()
        harness.client.rotate(**new)

    env.events = events = Watched(moment, rotate)
    report = await env.run(env.job(), window=5)
    assert events.called
    assert (report.ok, report.finished, report.stopped) == (True, True, None)
    # A request that was rejected with the old credentials was not carried out.
    accepted = [one for one in harness.emulator.requests if one.status == 202]
    assert len(accepted) == len({one.sid for one in accepted}) == 30

"""The emulator in a thread."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import requests

from asyncsim import ConfigurationError, TransitionFailed
from asyncsim.clock import ManualClock
from asyncsim.emulator import Delivery, Emulator, Faults, ThreadedEmulator


def test_its_state_can_be_read_changed_and_read_again_after_the_end() -> None:
    with ThreadedEmulator(Emulator(sims=2)) as emulator:
        assert "running" in repr(emulator)
        added = emulator.call(lambda one: one.world("twilio").add_sim("supersim"))
        assert emulator.sims()[-1] == added
        url = f"{emulator.hosts_of('twilio').supersim}/v1/Sims/{added.sid}"
        assert requests.get(url, auth=emulator.auth, timeout=10).json()["sid"] == added.sid
    assert [one.status for one in emulator.requests] == [200]
    assert emulator.deliveries == []
    assert "stopped" in repr(emulator)
    emulator.stop()
    with pytest.raises(ConfigurationError, match="does not run"):
        emulator.call(lambda one: one.speed)
    assert all(one.name != "asyncsim-emulator" for one in threading.enumerate())


def test_the_activity_does_not_quote_a_url_from_an_error() -> None:
    failed = Delivery(
        seconds=1.0,
        vendor="twilio",
        account_sid="AC1",
        sid="HS1",
        method="POST",
        url="http://127.0.0.1/a-ticket",
        params={},
        token="t",
        attempt=1,
        outcome="failed",
        reason="InvalidURL: http://127.0.0.1/a-ticket",
    )
    with ThreadedEmulator(Emulator()) as emulator:
        emulator.call(lambda one: one.deliveries.append(failed))
        assert "HS1  failed InvalidURL" in emulator.activity()
        assert "a-ticket" not in emulator.activity()


async def test_a_client_in_another_loop_sees_a_failure_in_milliseconds() -> None:
    with ThreadedEmulator(Emulator(sims=1, speed=1000)) as emulator:
        emulator.faults = Faults(failing_updates=1.0)
        async with emulator.client("kore") as client:
            (sim,) = await client.supersim.sims.list()
            with pytest.raises(TransitionFailed):
                await client.supersim.sims.update_and_wait(sim.sid, status="active", timeout=5)
        assert emulator.faults.failing_updates == 1.0


def test_a_clock_moved_by_hand_and_a_second_start_are_rejected() -> None:
    with pytest.raises(ConfigurationError, match="runs in the test's loop"):
        ThreadedEmulator(Emulator(clock=ManualClock()))
    with ThreadedEmulator(Emulator()) as emulator, pytest.raises(ConfigurationError):
        emulator.start()


def test_a_start_that_fails_raises_and_leaves_no_thread(tmp_path: Path) -> None:
    with ThreadedEmulator(Emulator()) as emulator:
        port = int(emulator.url.rpartition(":")[2])
        other = ThreadedEmulator(Emulator(port=port))
        with pytest.raises(ConfigurationError, match="cannot listen"):
            other.start()
    assert all(one.name != "asyncsim-emulator" for one in threading.enumerate())

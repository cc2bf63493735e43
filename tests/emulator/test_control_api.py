"""The control API, the request log, and the emulator's settings."""

from __future__ import annotations

import json
import socket

import pytest
from attrs import evolve

from asyncsim.clock import ManualClock
from asyncsim.emulator import Emulator, Faults
from asyncsim.emulator.fixtures import luhn_digit
from asyncsim.errors import ConfigurationError
from tests.emulator.api import Api


async def test_health_counts_the_sims(supersim: Api) -> None:
    got = await supersim.control("GET", "health")
    each = {"wireless": 3, "supersim": 3}
    assert got.body == {"status": "ok", "sims": {"twilio": each, "kore": each}}


async def test_the_request_log_is_the_same_in_process_and_over_http(supersim: Api) -> None:
    sid = supersim.sims[0].sid
    await supersim.get(PageSize=1)
    await supersim.update(sid, Status="active")
    first, second = supersim.emulator.requests
    assert (first.method, first.path, first.query) == ("GET", "/v1/Sims", {"PageSize": ["1"]})
    assert (second.sid, second.status, second.form) == (sid, 202, {"Status": ["active"]})
    assert (second.vendor, second.product, second.number) == ("twilio", "supersim", 2)
    got = await supersim.control("GET", "requests?after=1")
    (row,) = got.body["requests"]
    assert (row["number"], row["sid"], row["status"]) == (2, sid, 202)


async def test_a_cleared_log_continues_its_numbering(supersim: Api) -> None:
    await supersim.get()
    assert (await supersim.control("DELETE", "requests")).status == 204
    assert list(supersim.emulator.requests) == []
    await supersim.get("/v1/Sims/missing")
    (entry,) = supersim.emulator.requests
    assert (entry.number, entry.status, entry.code) == (2, 404, 20404)


async def test_deliveries_can_be_read(supersim: Api) -> None:
    assert (await supersim.control("GET", "deliveries")).body == {"deliveries": []}


async def test_faults_are_changed_over_http(supersim: Api) -> None:
    got = await supersim.control("POST", "faults", json.dumps({"rate_limited": 0.5, "seed": 3}))
    assert got.status == 200
    assert supersim.emulator.faults == Faults(rate_limited=0.5, seed=3)
    assert (await supersim.control("GET", "faults")).body["rate_limited"] == 0.5


@pytest.mark.parametrize(
    "body", ["", "[]", '{"nonsense": 1}', '{"dropped": 2}', '{"dropped": "often"}']
)
async def test_invalid_faults_are_rejected(supersim: Api, body: str) -> None:
    assert (await supersim.control("POST", "faults", body)).status == 400
    assert supersim.emulator.faults == Faults()


async def test_an_invalid_log_number_is_rejected(supersim: Api) -> None:
    assert (await supersim.control("GET", "requests?after=x")).status == 400


async def test_tokens_are_expired_over_http(kore_supersim: Api) -> None:
    await kore_supersim.get()
    await kore_supersim.control("POST", "tokens/expire")
    assert (await kore_supersim.get()).status == 403


async def test_an_error_for_a_port_in_use_names_it() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"127.0.0.1:{port}"):
            await Emulator(port=port).start()


@pytest.mark.parametrize("settings", [{"sims": -1}, {"port": 70000}, {"speed": 0}])
def test_invalid_settings_are_rejected(settings: dict[str, int]) -> None:
    with pytest.raises(ConfigurationError):
        Emulator(**settings)  # type: ignore[arg-type]


async def test_an_emulator_starts_once_and_may_be_restarted() -> None:
    emulator = Emulator(sims=1)
    with pytest.raises(ConfigurationError, match="start"):
        emulator.world("twilio")
    async with emulator:
        with pytest.raises(ConfigurationError, match="already"):
            await emulator.start()
    await emulator.stop()
    assert len(emulator.world("twilio").sims("supersim")) == 1
    async with emulator:
        assert len(emulator.world("twilio").sims("supersim")) == 1


async def test_the_same_seed_builds_the_same_world(clock: ManualClock) -> None:
    def shape(emulator: Emulator) -> list[object]:
        return [dict(emulator.world(name).sims("supersim")) for name in ("twilio", "kore")]

    async with (
        Emulator(sims=5, seed=1, clock=clock) as one,
        Emulator(sims=5, seed=1, clock=clock) as same,
        Emulator(sims=5, seed=2, clock=clock) as other,
    ):
        assert shape(one) == shape(same)
        assert shape(one) != shape(other)


async def test_seeded_sims_are_valid_and_ready_to_be_activated(anywhere: Api) -> None:
    for sim in anywhere.sims:
        assert sim.status == "new"
        assert sim.unique_name is None
        assert len(sim.iccid) in (19, 20)
        assert sim.iccid[-1] == luhn_digit(sim.iccid[:-1])
        assert (await anywhere.update(sim.sid, Status="active")).status in (200, 202)
    assert len({sim.iccid for sim in anywhere.sims}) == len(anywhere.sims)


def test_the_check_digit_is_luhn() -> None:
    assert luhn_digit("7992739871") == "3"  # the usual textbook example of ISO/IEC 7812-1


async def test_speed_divides_latencies(clock: ManualClock) -> None:
    async with Emulator(sims=1, clock=clock, speed=10) as emulator:
        assert emulator._settings.seconds("reset") == 1.0


async def test_replaced_latencies_apply_to_later_changes(supersim: Api, clock: ManualClock) -> None:
    supersim.emulator.latency = evolve(supersim.emulator.latency, transition=5.0)
    sid = supersim.sims[0].sid
    await supersim.update(sid, Status="active")
    await clock.advance(5)
    assert supersim.sim(sid).status == "active"


async def test_an_ipv6_host_is_bracketed() -> None:
    assert Emulator(host="::1", port=8900).url == "http://[::1]:8900"


async def test_a_full_log_drops_its_oldest_entries(
    supersim: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("asyncsim.emulator.request_log._MAX_ENTRIES", 10)
    for _ in range(12):
        await supersim.get()
    numbers = [entry.number for entry in supersim.emulator.requests]
    assert (numbers[0], numbers[-1]) == (3, 12)

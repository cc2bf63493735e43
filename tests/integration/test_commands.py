"""Commands sent and awaited, of all three kinds, at both vendors."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, NamedTuple

import pytest
from attrs import frozen

from asyncsim import BadRequest, OutcomeUnknown, TransitionFailed, TransitionTimeout
from asyncsim.emulator import Faults, Latency, RequestRecord
from asyncsim.emulator.world import World
from asyncsim.events import WaitSettled
from tests.integration.conftest import OpenHarness
from tests.integration.harness import Api, Harness

LATENCY = Latency(sending=2.0, receipt=3.0, callback=0.0)
SENT, DELIVERED = 2.0, 5.0
"""Seconds after the POST."""


class Way(NamedTuple):
    """One kind of Command at one vendor."""

    vendor: Any
    product: Any
    kind: str

    @property
    def api(self) -> Api:
        return Api(self.vendor, self.product)


KINDS = [("wireless", "commands"), ("supersim", "sms_commands"), ("supersim", "ip_commands")]
WAYS = [Way(vendor, *kind) for vendor in ("twilio", "kore") for kind in KINDS]
CONFIRMED = [way for way in WAYS if way.kind != "ip_commands"]
"""Those whose arrival is ever confirmed."""
KEYWORDS: dict[str, dict[str, Any]] = {
    "commands": {"command": "wake up"},
    "sms_commands": {"payload": "wake up"},
    "ip_commands": {"payload": "wake up", "device_port": 7000},
}
PATHS = {
    "commands": "/v1/Commands",
    "sms_commands": "/v1/SmsCommands",
    "ip_commands": "/v1/IpCommands",
}

of_all = pytest.mark.parametrize("way", WAYS, ids="-".join)
of_confirmed = pytest.mark.parametrize("way", CONFIRMED, ids="-".join)


@frozen
class Scene:
    """A harness with an active SIM to send to."""

    way: Way
    harness: Harness
    sim: str

    @property
    def world(self) -> World:
        return self.harness.emulator.world(self.way.vendor)

    @property
    def resource(self) -> Any:
        return getattr(getattr(self.harness.client, self.way.product), self.way.kind)

    def send(self, **more: Any) -> Awaitable[Any]:
        sent: Awaitable[Any] = self.resource.send_and_wait(
            **{"sim": self.sim, **KEYWORDS[self.way.kind], **more}
        )
        return sent

    async def complete(self, **more: Any) -> Any:
        return await self.harness.complete(self.send(**more))

    def asked(self, method: str) -> list[RequestRecord]:
        """Requests about Commands of this kind."""
        start = PATHS[self.way.kind]
        found = self.harness.emulator.requests
        return [one for one in found if one.method == method and one.path.startswith(start)]


async def set_scene(start_harness: OpenHarness, way: Way, **settings: Any) -> Scene:
    world = {"latency": LATENCY, **settings.pop("world", {})}
    harness = await start_harness(way.api, world=world, **settings)
    harness.put(harness.sid, status="active")
    return Scene(way, harness, harness.sid)


@of_all
async def test_a_command_is_polled_until_it_was_sent(start_harness: OpenHarness, way: Way) -> None:
    scene = await set_scene(start_harness, way)
    command = await scene.complete()
    assert command.status in {"sent", "delivered"}
    assert (command.sim_sid, command.direction) == (scene.sim, "to_sim")
    assert len(scene.asked("POST")) == 1
    assert "CallbackUrl" not in scene.asked("POST")[0].form
    assert scene.harness.clock.now() >= SENT


@of_all
async def test_a_callback_ends_the_wait_at_once(start_harness: OpenHarness, way: Way) -> None:
    scene = await set_scene(start_harness, way, listens=True)
    command = await scene.complete()
    assert (command.status, scene.harness.clock.now()) == ("sent", SENT)
    assert (len(scene.asked("POST")), len(scene.asked("GET"))) == (1, 1)
    (settled,) = scene.harness.events_of(WaitSettled)
    assert (settled.settled_by, settled.name) == ("callback", command.sid)


@of_confirmed
@pytest.mark.parametrize("listens", [False, True])
async def test_until_delivered_waits_for_the_confirmation(
    start_harness: OpenHarness, way: Way, *, listens: bool
) -> None:
    scene = await set_scene(start_harness, way, listens=listens)
    command = await scene.complete(until="delivered", timeout=60)
    assert command.status == "delivered"
    if listens:
        assert scene.harness.clock.now() == DELIVERED


@pytest.mark.parametrize("vendor", ["twilio", "kore"])
async def test_a_receipt_that_was_asked_for_is_waited_for(
    start_harness: OpenHarness, vendor: str
) -> None:
    scene = await set_scene(start_harness, Way(vendor, "wireless", "commands"), listens=True)
    command = await scene.complete(delivery_receipt_requested=True)
    assert (command.status, scene.harness.clock.now()) == ("delivered", DELIVERED)
    command = await scene.complete(delivery_receipt_requested=False)
    assert (command.status, scene.harness.clock.now()) == ("sent", DELIVERED + SENT)


@of_all
@pytest.mark.parametrize("listens", [False, True])
async def test_a_command_that_fails_is_an_error(
    start_harness: OpenHarness, way: Way, *, listens: bool
) -> None:
    world = {"faults": Faults(failing_commands=1.0)}
    scene = await set_scene(start_harness, way, world=world, listens=listens)
    with pytest.raises(TransitionFailed, match="failed") as caught:
        await scene.complete()
    assert caught.value.actual.status == "failed"
    assert caught.value.actual.sid in str(caught.value)
    if listens:  # the record itself has no reason, only the callback
        code = 83400 if way.kind == "ip_commands" else 33000
        assert caught.value.error_code == code


@pytest.mark.parametrize("vendor", ["twilio", "kore"])
async def test_a_device_off_the_network_gets_no_ip_command(
    start_harness: OpenHarness, vendor: str
) -> None:
    way = Way(vendor, "supersim", "ip_commands")
    scene = await set_scene(start_harness, way, listens=True)
    scene.world.detach("supersim", scene.sim)
    with pytest.raises(TransitionFailed, match="not attached") as caught:
        await scene.complete()
    assert caught.value.error_code == 83401


@of_confirmed
async def test_a_text_to_a_device_off_the_network_arrives_when_it_is_back(
    start_harness: OpenHarness, way: Way
) -> None:
    scene = await set_scene(start_harness, way, listens=True)
    scene.world.detach(way.product, scene.sim)
    with pytest.raises(TransitionTimeout) as caught:
        await scene.complete(until="delivered", timeout=60)
    sid = caught.value.last.sid
    scene.world.attach(way.product, scene.sim)
    awaited = scene.resource.await_transition(sid, until="delivered", timeout=3600)
    assert (await scene.harness.complete(awaited)).status == "delivered"


REFUSED = {"commands": 33104, "sms_commands": 20001, "ip_commands": 83400}


@of_all
async def test_a_sim_that_is_not_connected_is_sent_nothing(
    start_harness: OpenHarness, way: Way
) -> None:
    scene = await set_scene(start_harness, way, listens=True)
    with pytest.raises(BadRequest) as caught:
        await scene.complete(sim=scene.harness.sids[1])
    assert caught.value.code == REFUSED[way.kind]
    assert len(scene.asked("POST")) == 1


@of_all
@pytest.mark.parametrize("share", [0.0, 1.0], ids=["not processed", "processed"])
async def test_a_lost_answer_is_an_unknown_outcome_and_sends_nothing_twice(
    start_harness: OpenHarness, way: Way, share: float
) -> None:
    scene = await set_scene(start_harness, way)
    await scene.resource.list()  # at KORE: the token
    scene.harness.emulator.faults = Faults(dropped=1.0, share_processed=share)
    with pytest.raises(OutcomeUnknown, match=rf"look for it with {way.kind}\.list\(\)"):
        await scene.complete()
    scene.harness.emulator.faults = Faults()
    assert len(scene.asked("POST")) == 1
    found = await scene.harness.complete(scene.resource.list(sim=scene.sim))
    assert len(found) == share  # as the error says: the list tells what became of it


@of_all
async def test_what_was_refused_with_429_is_sent_again(
    start_harness: OpenHarness, way: Way
) -> None:
    world = {"faults": Faults(rate_limited=0.5, seed=3)}
    scene = await set_scene(start_harness, way, world=world, listens=True)
    ended = await scene.harness.complete(asyncio.gather(*[scene.send() for _ in range(10)]))
    assert len({command.sid for command in ended}) == 10
    taken = [one for one in scene.asked("POST") if one.status != 429]
    assert 10 == len(taken) < len(scene.asked("POST"))


@of_all
async def test_many_at_once_are_watched_by_list(start_harness: OpenHarness, way: Way) -> None:
    scene = await set_scene(start_harness, way)
    ended = await scene.harness.complete(asyncio.gather(*[scene.send() for _ in range(200)]))
    assert len({command.sid for command in ended}) == 200
    assert {command.status for command in ended} <= {"sent", "delivered"}
    gets = scene.asked("GET")
    sweeps = [one for one in gets if one.query.get("Status") == ["queued"]]
    single = [one for one in gets if one.path != PATHS[way.kind]]
    assert len(scene.asked("POST")) == 200
    assert sweeps
    assert len(single) < 20


@of_all
async def test_many_at_once_with_callbacks_cost_one_read_each(
    start_harness: OpenHarness, way: Way
) -> None:
    scene = await set_scene(start_harness, way, listens=True)
    ended = await scene.harness.complete(asyncio.gather(*[scene.send() for _ in range(100)]))
    assert len({command.sid for command in ended}) == 100
    assert (len(scene.asked("POST")), len(scene.asked("GET"))) == (100, 100)


@of_confirmed
async def test_the_fifth_command_makes_a_ready_sim_active(
    start_harness: OpenHarness, way: Way
) -> None:
    scene = await set_scene(start_harness, way)
    harness = scene.harness
    harness.put(scene.sim, status="new")
    await harness.complete(harness.sims.update_and_wait(scene.sim, status="ready"))
    waiting = await harness.start(
        harness.sims.await_transition(scene.sim, until="active", timeout=3600)
    )
    for number in range(4):
        await scene.complete()
        assert not waiting.done(), number
    scene.world.send_command(way.product, scene.sim, "and one from the device")
    assert (await harness.complete(waiting)).status == "active"


@of_all
async def test_whatever_happens_to_callbacks_every_command_ends_as_it_should(
    start_harness: OpenHarness, way: Way
) -> None:
    chaos = Faults(
        seed=5,
        rate_limited=0.1,
        lost_callbacks=0.3,
        late_callbacks=0.3,
        doubled_callbacks=0.3,
        failing_commands=0.2,
    )
    scene = await set_scene(start_harness, way, listens=True, world={"faults": chaos})
    work = asyncio.gather(*[scene.send() for _ in range(60)], return_exceptions=True)
    ended = await scene.harness.complete(work)
    failed = [one for one in ended if isinstance(one, TransitionFailed)]
    sent = [one for one in ended if not isinstance(one, BaseException)]
    assert len(failed) + len(sent) == 60
    kept: Any = {
        one.sid: one for one in await scene.harness.complete(all_of(scene.resource.list()))
    }
    assert {one.actual.sid for one in failed} == {
        sid for sid, one in kept.items() if one.status == "failed"
    }
    assert {one.sid for one in sent} == {
        sid for sid, one in kept.items() if one.status in {"sent", "delivered"}
    }
    assert failed
    assert sent


async def all_of(pager: Any) -> list[Any]:
    return [one async for one in pager]

"""Sending and awaiting all three kinds of Commands at both vendors."""

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


class CommandKind(NamedTuple):
    """One kind of Command at one vendor."""

    vendor: Any
    product: Any
    name: str

    @property
    def api(self) -> Api:
        return Api(self.vendor, self.product)


KINDS = [("wireless", "commands"), ("supersim", "sms_commands"), ("supersim", "ip_commands")]
COMMAND_KINDS = [CommandKind(vendor, *kind) for vendor in ("twilio", "kore") for kind in KINDS]
CONFIRMED = [kind for kind in COMMAND_KINDS if kind.name != "ip_commands"]
"""The kinds whose delivery is confirmed."""
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

of_all = pytest.mark.parametrize("kind", COMMAND_KINDS, ids="-".join)
of_confirmed = pytest.mark.parametrize("kind", CONFIRMED, ids="-".join)


@frozen
class CommandEnv:
    """A harness with an active SIM to send to."""

    kind: CommandKind
    harness: Harness
    sim: str

    @property
    def world(self) -> World:
        return self.harness.emulator.world(self.kind.vendor)

    @property
    def resource(self) -> Any:
        return getattr(getattr(self.harness.client, self.kind.product), self.kind.name)

    def send(self, **more: Any) -> Awaitable[Any]:
        sent: Awaitable[Any] = self.resource.send_and_wait(
            **{"sim": self.sim, **KEYWORDS[self.kind.name], **more}
        )
        return sent

    async def complete(self, **more: Any) -> Any:
        return await self.harness.complete(self.send(**more))

    def requests(self, method: str) -> list[RequestRecord]:
        """Requests for Commands of this kind."""
        start = PATHS[self.kind.name]
        found = self.harness.emulator.requests
        return [one for one in found if one.method == method and one.path.startswith(start)]


async def open_env(start_harness: OpenHarness, kind: CommandKind, **settings: Any) -> CommandEnv:
    world = {"latency": LATENCY, **settings.pop("world", {})}
    harness = await start_harness(kind.api, world=world, **settings)
    harness.put(harness.sid, status="active")
    return CommandEnv(kind, harness, harness.sid)


@of_all
async def test_a_command_is_polled_until_sent(
    start_harness: OpenHarness, kind: CommandKind
) -> None:
    env = await open_env(start_harness, kind)
    command = await env.complete()
    assert command.status in {"sent", "delivered"}
    assert (command.sim_sid, command.direction) == (env.sim, "to_sim")
    assert len(env.requests("POST")) == 1
    assert "CallbackUrl" not in env.requests("POST")[0].form
    assert env.harness.clock.now() >= SENT


@of_all
async def test_a_callback_ends_the_wait_at_once(
    start_harness: OpenHarness, kind: CommandKind
) -> None:
    env = await open_env(start_harness, kind, listens=True)
    command = await env.complete()
    assert (command.status, env.harness.clock.now()) == ("sent", SENT)
    assert (len(env.requests("POST")), len(env.requests("GET"))) == (1, 1)
    (settled,) = env.harness.events_of(WaitSettled)
    assert (settled.settled_by, settled.name) == ("callback", command.sid)


@of_confirmed
@pytest.mark.parametrize("listens", [False, True])
async def test_until_delivered_waits_for_the_confirmation(
    start_harness: OpenHarness, kind: CommandKind, *, listens: bool
) -> None:
    env = await open_env(start_harness, kind, listens=listens)
    command = await env.complete(until="delivered", timeout=60)
    assert command.status == "delivered"
    if listens:
        assert env.harness.clock.now() == DELIVERED


@pytest.mark.parametrize("vendor", ["twilio", "kore"])
async def test_a_requested_delivery_receipt_is_awaited(
    start_harness: OpenHarness, vendor: str
) -> None:
    env = await open_env(start_harness, CommandKind(vendor, "wireless", "commands"), listens=True)
    command = await env.complete(delivery_receipt_requested=True)
    assert (command.status, env.harness.clock.now()) == ("delivered", DELIVERED)
    command = await env.complete(delivery_receipt_requested=False)
    assert (command.status, env.harness.clock.now()) == ("sent", DELIVERED + SENT)


@of_all
@pytest.mark.parametrize("listens", [False, True])
async def test_a_failed_command_raises_an_error(
    start_harness: OpenHarness, kind: CommandKind, *, listens: bool
) -> None:
    world = {"faults": Faults(failing_commands=1.0)}
    env = await open_env(start_harness, kind, world=world, listens=listens)
    with pytest.raises(TransitionFailed, match="failed") as caught:
        await env.complete()
    assert caught.value.actual.status == "failed"
    assert caught.value.actual.sid in str(caught.value)
    if listens:  # only the callback has an error code, not the record
        code = 83400 if kind.name == "ip_commands" else 33000
        assert caught.value.error_code == code


@pytest.mark.parametrize("vendor", ["twilio", "kore"])
async def test_an_ip_command_to_a_detached_device_fails(
    start_harness: OpenHarness, vendor: str
) -> None:
    kind = CommandKind(vendor, "supersim", "ip_commands")
    env = await open_env(start_harness, kind, listens=True)
    env.world.detach("supersim", env.sim)
    with pytest.raises(TransitionFailed, match="not attached") as caught:
        await env.complete()
    assert caught.value.error_code == 83401


@of_confirmed
async def test_a_text_to_a_detached_device_arrives_once_it_reattaches(
    start_harness: OpenHarness, kind: CommandKind
) -> None:
    env = await open_env(start_harness, kind, listens=True)
    env.world.detach(kind.product, env.sim)
    with pytest.raises(TransitionTimeout) as caught:
        await env.complete(until="delivered", timeout=60)
    sid = caught.value.last.sid
    env.world.attach(kind.product, env.sim)
    awaited = env.resource.await_transition(sid, until="delivered", timeout=3600)
    assert (await env.harness.complete(awaited)).status == "delivered"


REJECTION_CODES = {"commands": 33104, "sms_commands": 20001, "ip_commands": 83400}


@of_all
async def test_a_command_to_an_inactive_sim_is_rejected(
    start_harness: OpenHarness, kind: CommandKind
) -> None:
    env = await open_env(start_harness, kind, listens=True)
    with pytest.raises(BadRequest) as caught:
        await env.complete(sim=env.harness.sids[1])
    assert caught.value.code == REJECTION_CODES[kind.name]
    assert len(env.requests("POST")) == 1


@of_all
@pytest.mark.parametrize("share", [0.0, 1.0], ids=["not processed", "processed"])
async def test_a_lost_response_is_an_unknown_outcome_and_nothing_is_resent(
    start_harness: OpenHarness, kind: CommandKind, share: float
) -> None:
    env = await open_env(start_harness, kind)
    await env.resource.list()  # at KORE: fetches the token
    env.harness.emulator.faults = Faults(dropped=1.0, share_processed=share)
    with pytest.raises(OutcomeUnknown, match=rf"look for it with {kind.name}\.list\(\)"):
        await env.complete()
    env.harness.emulator.faults = Faults()
    assert len(env.requests("POST")) == 1
    found = await env.harness.complete(env.resource.list(sim=env.sim))
    assert len(found) == share  # the list shows whether it was created, as the error says


@of_all
async def test_a_throttled_command_is_retried(
    start_harness: OpenHarness, kind: CommandKind
) -> None:
    world = {"faults": Faults(rate_limited=0.5, seed=3)}
    env = await open_env(start_harness, kind, world=world, listens=True)
    ended = await env.harness.complete(asyncio.gather(*[env.send() for _ in range(10)]))
    assert len({command.sid for command in ended}) == 10
    taken = [one for one in env.requests("POST") if one.status != 429]
    assert 10 == len(taken) < len(env.requests("POST"))


@of_all
async def test_many_commands_are_polled_by_list(
    start_harness: OpenHarness, kind: CommandKind
) -> None:
    env = await open_env(start_harness, kind)
    ended = await env.harness.complete(asyncio.gather(*[env.send() for _ in range(200)]))
    assert len({command.sid for command in ended}) == 200
    assert {command.status for command in ended} <= {"sent", "delivered"}
    gets = env.requests("GET")
    sweeps = [one for one in gets if one.query.get("Status") == ["queued"]]
    single = [one for one in gets if one.path != PATHS[kind.name]]
    assert len(env.requests("POST")) == 200
    assert sweeps
    assert len(single) < 20


@of_all
async def test_many_commands_with_callbacks_need_one_read_each(
    start_harness: OpenHarness, kind: CommandKind
) -> None:
    env = await open_env(start_harness, kind, listens=True)
    ended = await env.harness.complete(asyncio.gather(*[env.send() for _ in range(100)]))
    assert len({command.sid for command in ended}) == 100
    assert (len(env.requests("POST")), len(env.requests("GET"))) == (100, 100)


@of_confirmed
async def test_the_fifth_command_activates_a_ready_sim(
    start_harness: OpenHarness, kind: CommandKind
) -> None:
    env = await open_env(start_harness, kind)
    harness = env.harness
    harness.put(env.sim, status="new")
    await harness.complete(harness.sims.update_and_wait(env.sim, status="ready"))
    waiting = await harness.start(
        harness.sims.await_transition(env.sim, until="active", timeout=3600)
    )
    for number in range(4):
        await env.complete()
        assert not waiting.done(), number
    env.world.send_command(kind.product, env.sim, "and one from the device")
    assert (await harness.complete(waiting)).status == "active"


@of_all
async def test_every_command_ends_correctly_with_lost_late_and_duplicate_callbacks(
    start_harness: OpenHarness, kind: CommandKind
) -> None:
    faults = Faults(
        seed=5,
        rate_limited=0.1,
        lost_callbacks=0.3,
        late_callbacks=0.3,
        doubled_callbacks=0.3,
        failing_commands=0.2,
    )
    env = await open_env(start_harness, kind, listens=True, world={"faults": faults})
    work = asyncio.gather(*[env.send() for _ in range(60)], return_exceptions=True)
    ended = await env.harness.complete(work)
    failed = [one for one in ended if isinstance(one, TransitionFailed)]
    sent = [one for one in ended if not isinstance(one, BaseException)]
    assert len(failed) + len(sent) == 60
    kept: Any = {
        one.sid: one for one in await env.harness.complete(collect_all(env.resource.list()))
    }
    assert {one.actual.sid for one in failed} == {
        sid for sid, one in kept.items() if one.status == "failed"
    }
    assert {one.sid for one in sent} == {
        sid for sid, one in kept.items() if one.status in {"sent", "delivered"}
    }
    assert failed
    assert sent


async def collect_all(pager: Any) -> list[Any]:
    return [one async for one in pager]

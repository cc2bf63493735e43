"""Create and await: Commands, SmsCommands, IpCommands, ESimProfiles."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs

import pytest

from asyncsim import (
    AsyncSimError,
    BadRequest,
    Client,
    ClientClosed,
    DecodeError,
    NotFound,
    OutcomeUnknown,
    TransitionFailed,
    TransitionTimeout,
)
from asyncsim.events import WaitSettled
from tests.callbacks import senders
from tests.http.server import CUT, DROP, HANG, Received, ScriptedResponse
from tests.resources.conftest import OpenScripted
from tests.resources.scripted import AUTH_TOKEN, ScriptedApi, sid

DC, HC, HG, HP, HS = sid("DC"), sid("HC"), sid("HG"), sid("HP"), sid("HS")


def sms(status: str, **more: Any) -> dict[str, Any]:
    return {"sid": HC, "status": status, "sim_sid": HS, "direction": "to_sim", **more}


def esim(status: str, **more: Any) -> dict[str, Any]:
    return {"sid": HP, "status": status, **more}


def send(client: Client, **more: Any) -> Awaitable[Any]:
    return client.supersim.sms_commands.send_and_wait(sim=HS, payload="hello", **more)


async def start(scripted: ScriptedApi, work: Awaitable[Any]) -> asyncio.Task[Any]:
    """Start the work and run it until it waits for the clock."""
    task = asyncio.ensure_future(work)
    await scripted.clock.settle()
    return task


async def test_a_command_is_polled_until_sent(scripted: ScriptedApi) -> None:
    scripted.plan(ScriptedResponse(201, sms("queued")), sms("queued"), sms("sent"))
    command = await scripted.complete(send(scripted.client))
    assert (command.sid, command.status) == (HC, "sent")
    assert [one.split()[:2] for one in scripted.request_lines] == [
        ["POST", "/v1/SmsCommands"],
        ["GET", f"/v1/SmsCommands/{HC}"],
        ["GET", f"/v1/SmsCommands/{HC}"],
    ]


async def test_a_settled_response_needs_no_read(scripted: ScriptedApi) -> None:
    scripted.plan(ScriptedResponse(201, sms("sent")))
    assert (await scripted.complete(send(scripted.client))).status == "sent"
    assert len(scripted.request_lines) == 1


async def test_until_delivered_continues_past_sent(scripted: ScriptedApi) -> None:
    scripted.plan(ScriptedResponse(201, sms("queued")), sms("sent"), sms("sent"), sms("delivered"))
    assert (await scripted.complete(send(scripted.client, until="delivered"))).status == "delivered"


async def test_a_target_passed_between_two_polls_counts_as_reached(scripted: ScriptedApi) -> None:
    scripted.plan(ScriptedResponse(201, sms("queued")), sms("delivered"))
    assert (await scripted.complete(send(scripted.client, until="sent"))).status == "delivered"


async def test_a_command_that_is_never_delivered_times_out(scripted: ScriptedApi) -> None:
    scripted.plan(ScriptedResponse(201, sms("queued")), *[sms("sent")] * 20)
    with pytest.raises(TransitionTimeout) as caught:
        await scripted.complete(send(scripted.client, until="delivered", timeout=60))
    assert caught.value.last.status == "sent"
    assert HC in str(caught.value)


async def test_a_requested_delivery_receipt_is_awaited(scripted: ScriptedApi) -> None:
    row = {"sid": DC, "status": "queued"}
    scripted.plan(
        ScriptedResponse(201, row), {**row, "status": "sent"}, {**row, "status": "delivered"}
    )
    commands = scripted.client.wireless.commands
    sent = commands.send_and_wait(command="x", sim="s", delivery_receipt_requested=True)
    assert (await scripted.complete(sent)).status == "delivered"


async def test_a_failed_command_raises_an_error_with_its_record(scripted: ScriptedApi) -> None:
    scripted.plan(
        ScriptedResponse(201, {"sid": HG, "status": "queued"}), {"sid": HG, "status": "failed"}
    )
    commands = scripted.client.supersim.ip_commands
    with pytest.raises(TransitionFailed, match=f"{HG} .* settled as 'failed'") as caught:
        await scripted.complete(commands.send_and_wait(sim=HS, payload="aGk=", device_port=7))
    assert caught.value.actual.sid == HG


async def test_a_failed_profile_raises_the_error_in_its_record(scripted: ScriptedApi) -> None:
    failed = esim("failed", error_code="83500", error_message="No eSIM profiles available")
    scripted.plan(ScriptedResponse(201, esim("new")), esim("reserving"), failed)
    create = scripted.client.supersim.esim_profiles.create_and_wait
    with pytest.raises(TransitionFailed, match="No eSIM profiles available") as caught:
        await scripted.complete(create(generate_matching_id=True, until={"available"}))
    assert caught.value.error_code == 83500


async def test_a_failure_dated_before_the_response_must_last_to_end_the_wait(
    scripted: ScriptedApi,
) -> None:
    old, new = ({"date_updated": f"2026-01-01T00:00:{second}Z"} for second in (10, 20))
    code: Any = {"error_code": "83007", "error_message": "no Fleet", **old}
    scripted.plan(
        ScriptedResponse(201, esim("new", **new)), *[esim("failed", **code)] * 2, esim("available")
    )
    assert (
        await scripted.complete(scripted.client.supersim.esim_profiles.create_and_wait())
    ).sid == HP
    scripted.plan(ScriptedResponse(201, esim("new", **new)), *[esim("failed", **code)] * 20)
    began = scripted.clock.now()
    with pytest.raises(TransitionFailed, match="no Fleet") as caught:
        await scripted.complete(scripted.client.supersim.esim_profiles.create_and_wait())
    assert caught.value.error_code == 83007
    assert scripted.clock.now() - began >= 60.0


async def test_a_profile_is_awaited_until_it_is_available(scripted: ScriptedApi) -> None:
    scripted.plan(
        ScriptedResponse(201, esim("new")), esim("reserving"), esim("available", sim_sid=HS)
    )
    create = scripted.client.supersim.esim_profiles.create_and_wait
    profile = await scripted.complete(create(eid="89033", until={"available"}))
    assert profile.sim_sid == HS


async def test_a_command_sent_by_another_process_can_be_awaited(scripted: ScriptedApi) -> None:
    scripted.plan(sms("queued"), sms("sent"))
    commands = scripted.client.supersim.sms_commands
    assert (await scripted.complete(commands.await_transition(HC))).status == "sent"
    scripted.plan(sms("sent"))
    record = await scripted.complete(commands.fetch(HC))
    scripted.plan(sms("delivered"))
    done = await scripted.complete(commands.await_transition(record, until="delivered"))
    assert done.status == "delivered"


async def test_awaiting_an_unknown_sid_raises_not_found(scripted: ScriptedApi) -> None:
    with pytest.raises(NotFound):
        await scripted.complete(scripted.client.supersim.sms_commands.await_transition(HC))


# Lost responses.


@pytest.mark.parametrize("loss", [DROP, CUT, 500, 503])
@pytest.mark.parametrize("waits", [False, True])
async def test_a_lost_response_is_an_unknown_outcome_and_nothing_is_resent(
    scripted: ScriptedApi, loss: Any, *, waits: bool
) -> None:
    scripted.plan(loss)
    commands = scripted.client.supersim.sms_commands
    verb = commands.send_and_wait if waits else commands.create
    with pytest.raises(OutcomeUnknown, match=r"look for it with sms_commands.list\(\)"):
        await scripted.complete(verb(sim=HS, payload="x"))
    assert len(scripted.request_lines) == 1


@pytest.mark.parametrize(
    "create",
    [
        lambda c: c.wireless.rate_plans.create(unique_name="p"),
        lambda c: c.wireless.commands.create(command="x", sim="s"),
        lambda c: c.supersim.fleets.create(network_access_profile="p"),
        lambda c: c.supersim.network_access_profiles.create(),
        lambda c: c.supersim.network_access_profile_networks.create("p", network=sid("HW")),
        lambda c: c.supersim.ip_commands.create(sim="s", payload="x", device_port=1),
        lambda c: c.supersim.esim_profiles.create(generate_matching_id=True),
    ],
)
async def test_a_create_that_may_have_been_carried_out_is_never_retried(
    scripted: ScriptedApi, create: Callable[[Client], Any]
) -> None:
    scripted.plan(DROP)
    with pytest.raises(OutcomeUnknown, match=r"look for it with \w+\.list\(\)"):
        await scripted.complete(create(scripted.client))
    assert len(scripted.request_lines) == 1


@pytest.mark.parametrize("waits", [False, True])
async def test_a_malformed_response_counts_as_lost(scripted: ScriptedApi, *, waits: bool) -> None:
    scripted.plan(ScriptedResponse(201, "<html>a gateway's page</html>"))
    commands = scripted.client.supersim.sms_commands
    verb = commands.send_and_wait if waits else commands.create
    with pytest.raises(OutcomeUnknown, match="no readable response") as caught:
        await scripted.complete(verb(sim=HS, payload="x"))
    assert isinstance(caught.value.__cause__, DecodeError)
    assert len(scripted.request_lines) == 1


async def test_a_throttled_create_is_retried(scripted: ScriptedApi) -> None:
    scripted.plan(429, 429, ScriptedResponse(201, sms("sent")))
    assert (await scripted.complete(send(scripted.client))).status == "sent"
    assert len(scripted.request_lines) == 3


async def test_a_rejection_is_raised_and_leaves_no_wait(scripted: ScriptedApi) -> None:
    scripted.plan(ScriptedResponse(400, {"code": 83005, "message": "no such SIM", "status": 400}))
    with pytest.raises(BadRequest) as caught:
        await scripted.complete(send(scripted.client))
    assert caught.value.code == 83005
    assert len(await scripted.client.supersim.sms_commands.resource.start_watcher()) == 0


async def test_cancelling_leaves_no_wait(scripted: ScriptedApi) -> None:
    scripted.plan(ScriptedResponse(201, sms("queued")))
    task = await start(scripted, send(scripted.client))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    watcher = await scripted.client.supersim.sms_commands.resource.start_watcher()
    await scripted.clock.settle()
    assert watcher.is_idle


async def test_closing_the_client_names_the_awaited_resource(scripted: ScriptedApi) -> None:
    scripted.plan(ScriptedResponse(201, sms("queued")))
    task = await start(scripted, send(scripted.client))
    await scripted.client.close()
    with pytest.raises(AsyncSimError, match=f"await {HC}: the client was closed"):
        await task


async def test_a_create_in_flight_when_the_client_closes_says_how_to_find_it(
    scripted: ScriptedApi,
) -> None:
    scripted.plan(ScriptedResponse(HANG))
    task = asyncio.create_task(scripted.client.supersim.sms_commands.create(sim=HS, payload="hi"))
    await scripted.server.arrival()
    await scripted.client.close()
    with pytest.raises(ClientClosed, match=r"had been sent.*look for it with sms_commands.list"):
        await task


async def test_the_settled_event_names_the_sid(scripted: ScriptedApi) -> None:
    scripted.plan(ScriptedResponse(201, sms("sent")))
    await scripted.complete(send(scripted.client))
    (settled,) = [event for event in scripted.events if isinstance(event, WaitSettled)]
    assert settled.name == HC


# Callbacks.


def callback_url(one: Received) -> str:
    return parse_qs(one.body)["CallbackUrl"][0]


async def call_back(url: str, status: str, **more: str) -> int:
    params = {"CommandSid": HC, "SimSid": HS, "Status": status, **more}
    return await senders.twilio(url, params, secret=AUTH_TOKEN).post()


@pytest.fixture
async def listening(open_scripted_api: OpenScripted) -> ScriptedApi:
    return await open_scripted_api(listens=True)


async def test_a_callback_ends_the_wait_without_polling(listening: ScriptedApi) -> None:
    listening.plan(ScriptedResponse(201, sms("queued")), sms("sent"))
    task = await start(listening, send(listening.client))
    assert await call_back(callback_url(listening.received[0]), "sent") == 204
    await listening.clock.settle()
    assert (await task).status == "sent"
    assert listening.clock.now() == 0.0
    assert len(listening.request_lines) == 2  # the POST, and the read that confirms the callback


@pytest.mark.parametrize("response_status", ["queued", "sent"])
async def test_a_callback_before_the_response_is_not_lost(
    listening: ScriptedApi, response_status: str
) -> None:
    async def script(one: Received) -> ScriptedResponse:
        if one.method == "GET":
            return ScriptedResponse(200, sms("delivered"))
        assert await call_back(callback_url(one), "delivered") == 204
        return ScriptedResponse(201, sms(response_status))

    listening.script = script
    command = await listening.complete(send(listening.client, until="delivered"))
    assert command.status == "delivered"
    assert listening.clock.now() == 0.0


async def test_the_error_code_of_a_callback_is_raised(
    listening: ScriptedApi,
) -> None:
    listening.plan(ScriptedResponse(201, sms("queued")), sms("failed"))
    task = await start(listening, send(listening.client))
    url = callback_url(listening.received[0])
    await call_back(url, "failed", ErrorCode="83401", ErrorMessage="device not attached")
    with pytest.raises(TransitionFailed, match="device not attached") as caught:
        await task
    assert caught.value.error_code == 83401


async def test_a_lost_callback_only_delays_the_result(listening: ScriptedApi) -> None:
    listening.plan(ScriptedResponse(201, sms("queued")), *[sms("sent")] * 3)
    assert (await listening.complete(send(listening.client))).status == "sent"


async def test_the_callers_own_callback_url_is_kept(listening: ScriptedApi) -> None:
    listening.plan(ScriptedResponse(201, sms("queued")), sms("sent"))
    own = "https://example.com/mine"
    command = await listening.complete(send(listening.client, callback_url=own))
    assert command.status == "sent"
    assert callback_url(listening.received[0]) == own


async def test_callbacks_of_commands_do_not_settle_their_sims(listening: ScriptedApi) -> None:
    """Both name the SIM, but only its own update ends a wait for it."""
    listening.plan(
        ScriptedResponse(202, {"sid": HS, "status": "scheduled"}),
        ScriptedResponse(201, sms("queued")),
    )
    sims = listening.client.supersim.sims
    waiting = await start(listening, sims.update_and_wait(HS, status="active"))
    sending = await start(listening, send(listening.client))
    listening.plan(sms("sent"))
    await call_back(callback_url(listening.received[1]), "sent")
    await listening.clock.settle()
    assert (sending.done(), waiting.done()) == (True, False)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)


async def test_many_commands_are_polled_by_list(scripted: ScriptedApi) -> None:
    sent: list[str] = []

    async def script(one: Received) -> ScriptedResponse:
        if one.method == "POST":
            sent.append(f"HC{len(sent):032x}")
            return ScriptedResponse(201, {"sid": sent[-1], "status": "queued"})
        status = "queued" if scripted.clock.now() < 20 else "sent"
        if "?" in one.raw_path:
            listed = sent if status == "queued" or "Status" not in one.raw_path else []
            rows = [{"sid": name, "status": status} for name in listed]
            return ScriptedResponse(200, {"sms_commands": rows, "meta": {"next_page_url": None}})
        return ScriptedResponse(200, {"sid": one.raw_path[-34:], "status": status})

    scripted.script = script
    ended = await scripted.complete(asyncio.gather(*[send(scripted.client) for _ in range(60)]))
    assert {command.status for command in ended} == {"sent"}
    assert len({command.sid for command in ended}) == 60
    single = [one for one in scripted.received if f"/{HC[:2]}0" in one.raw_path]
    assert len(single) < 10

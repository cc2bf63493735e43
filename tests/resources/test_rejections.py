"""Invalid arguments, rejected before anything is sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from asyncsim import Client, TransitionFailed, UnreachableStatus, Unsupported
from asyncsim.models.supersim.sms_commands import SmsCommand
from tests.resources.conftest import OpenScripted
from tests.resources.scripted import ScriptedApi, sid

Call = Callable[[Any], Any]  # untyped: a type checker rejects these calls

NEEDED: list[tuple[Call, str]] = [
    (lambda c: c.wireless.commands.create(sim="s"), "commands.create.. needs command"),
    (lambda c: c.supersim.sms_commands.create(sim="s"), "needs payload"),
    (lambda c: c.supersim.sms_commands.send_and_wait(payload="x"), "needs sim"),
    (lambda c: c.supersim.ip_commands.create(sim="s", payload="x"), "needs device_port"),
    (lambda c: c.supersim.fleets.create(unique_name="f"), "needs network_access_profile"),
    (lambda c: c.supersim.network_access_profile_networks.create("p"), "needs network"),
    (lambda c: c.supersim.sims.register(iccid="8988"), "needs registration_code"),
    (lambda c: c.wireless.rate_plans.create(unique_nmae="p"), "did you mean 'unique_name'"),
    (lambda c: c.supersim.fleets.update("f", data_enabled=True), "no keyword 'data_enabled'"),
    (lambda c: c.wireless.rate_plans.update("p", data_limit=5), "no keyword 'data_limit'"),
    (lambda c: c.supersim.networks.list(country="US"), "no keyword 'country'"),
    (lambda c: c.monitor.events.list(sid="AE"), "no keyword 'sid'"),
]


@pytest.mark.parametrize(("call", "message"), NEEDED, ids=[message for _, message in NEEDED])
async def test_missing_and_unknown_keywords_are_rejected(
    scripted: ScriptedApi, call: Call, message: str
) -> None:
    with pytest.raises(TypeError, match=message):
        await call(scripted.client)
    assert scripted.request_lines == []


WRONG: list[tuple[Call, str]] = [
    (lambda c: c.wireless.commands.list(status="lost"), "status cannot be 'lost'"),
    (lambda c: c.wireless.commands.create(command="x", include_sid="middle"), "include_sid"),
    (
        lambda c: c.supersim.usage_records.list(group="country"),
        "it takes sim, fleet, network, isoCountry",
    ),
    (lambda c: c.wireless.usage_records.list("s", granularity="day"), "granularity"),
    (lambda c: c.supersim.settings_updates.list(status="in_progress"), "in-progress"),
    (lambda c: c.supersim.fleets.update("f", data_limit=None), "cannot be cleared"),
    (lambda c: c.supersim.esim_profiles.create(callback_method="PUT"), "callback_method"),
    (lambda c: c.wireless.commands.send_and_wait(command="x", until="gone"), "can be queued"),
    (lambda c: c.wireless.commands.send_and_wait(command="x", until=set()), "can be queued"),
    (lambda c: c.wireless.commands.send_and_wait(command="x", timeout=0), "more than 0 seconds"),
    (lambda c: c.supersim.ip_commands.await_transition(sid("HG"), until="delivered"), "can be"),
]


@pytest.mark.parametrize(("call", "message"), WRONG, ids=[message for _, message in WRONG])
async def test_undocumented_values_are_rejected(
    scripted: ScriptedApi, call: Call, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        await call(scripted.client)
    assert scripted.request_lines == []


async def test_a_keyword_of_twilio_alone_is_unsupported_at_kore(
    scripted: ScriptedApi, kore: ScriptedApi
) -> None:
    scripted.plan({"sid": sid("WP")})
    await scripted.client.wireless.rate_plans.create(data_limit_strategy="block")
    with pytest.raises(Unsupported, match="KORE documents no keyword 'data_limit_strategy'"):
        await kore.client.wireless.rate_plans.create(data_limit_strategy="block")
    assert (scripted.request_lines, kore.request_lines) == (
        ["POST /v1/RatePlans DataLimitStrategy=block"],
        [],
    )


CEILINGS = [
    ("twilio", lambda c: c.supersim.ip_commands, 1000),
    ("kore", lambda c: c.supersim.ip_commands, 100),
    ("twilio", lambda c: c.supersim.usage_records, 1000),
    ("kore", lambda c: c.supersim.usage_records, 249),
    ("kore", lambda c: c.supersim.sms_commands, 1000),
    ("twilio", lambda c: c.monitor.events, 1000),
]


@pytest.mark.parametrize(("vendor", "resource", "ceiling"), CEILINGS)
async def test_each_list_has_its_largest_page_size(
    open_scripted_api: OpenScripted, vendor: str, resource: Call, ceiling: int
) -> None:
    scripted = await open_scripted_api(vendor)
    resource(scripted.client).list(page_size=ceiling)
    with pytest.raises(ValueError, match=f"a page has 1 to {ceiling} rows"):
        resource(scripted.client).list(page_size=ceiling + 1)


MISSING: list[tuple[str, Call]] = [
    ("kore", lambda c: c.monitor.events.list()),
    ("kore", lambda c: c.monitor.events.fetch(sid("AE"))),
    ("kore", lambda c: c.wireless.sims.history(sid("DE"))),
    ("twilio", lambda c: c.webhooks.secrets.list()),
    ("twilio", lambda c: c.webhooks.secrets.create(name="first")),
    ("twilio", lambda c: c.webhooks.secrets.update("whs_1", status="active")),
]


@pytest.mark.parametrize(("vendor", "call"), MISSING)
async def test_an_undocumented_api_is_unsupported(vendor: str, call: Call) -> None:
    creates: dict[str, Any] = {"twilio": Client.twilio, "kore": Client.kore}
    async with creates[vendor]("account", "secret") as client:
        with pytest.raises(Unsupported, match=r"documents no \w+ API; if you know its URL"):
            await call(client)


async def test_an_unsupported_list_raises_before_it_is_awaited() -> None:
    async with Client.kore("client", "secret") as client:
        with pytest.raises(Unsupported):
            client.wireless.sims.history(sid("DE"))


async def test_monitor_at_kore_works_with_a_given_host(open_scripted_api: OpenScripted) -> None:
    scripted = await open_scripted_api("kore", monitor=True)
    scripted.plan({"events": [], "meta": {}})
    assert len(await scripted.client.monitor.events.list()) == 0
    assert scripted.received[0].headers["Authorization"] == "Bearer bearer-token"


UNREACHABLE: list[Call] = [
    lambda c: c.wireless.commands.send_and_wait(command="x", sim="s", until="received"),
    lambda c: c.supersim.sms_commands.send_and_wait(payload="x", sim="s", until={"received"}),
    lambda c: c.supersim.ip_commands.send_and_wait(
        payload="x", sim="s", device_port=1, until="received"
    ),
]


@pytest.mark.parametrize("call", UNREACHABLE)
async def test_awaiting_received_for_a_command_to_a_sim_is_rejected(
    scripted: ScriptedApi, call: Call
) -> None:
    with pytest.raises(UnreachableStatus, match=r"a new \w+ can never reach .*nothing was sent"):
        await call(scripted.client)
    assert scripted.request_lines == []


async def test_awaiting_a_failed_record_raises_without_a_request(scripted: ScriptedApi) -> None:
    commands = scripted.client.supersim.sms_commands
    failed = SmsCommand(sid=sid("HC"), status="failed")
    delivered = SmsCommand(sid=sid("HC"), status="delivered")
    with pytest.raises(TransitionFailed):
        await commands.await_transition(failed)
    assert await commands.await_transition(delivered, until="sent") is delivered
    with pytest.raises(UnreachableStatus):
        await commands.await_transition(delivered, until="received")
    assert scripted.request_lines == []

"""Callback delivery over real sockets, and the signatures that the vendors publish."""

from __future__ import annotations

import asyncio
import re
import socket
from typing import Any

import pytest

from asyncsim.clock import ManualClock
from asyncsim.emulator import Behaviour, Faults, callbacks
from asyncsim.emulator.callbacks import kore_signature, twilio_signature
from asyncsim.vendors import VENDORS
from tests.emulator.api import Api, Listener
from tests.emulator.conftest import TRANSITION


async def test_super_sim_calls_back_once_with_four_parameters(
    any_supersim: Api, clock: ManualClock, listener: Listener
) -> None:
    sim = any_supersim.sims[0]
    await any_supersim.update(sim.sid, Status="active", UniqueName="a b", CallbackUrl=listener.url)
    await clock.advance(TRANSITION - 1)
    assert listener.calls == []
    await clock.advance(1)
    (call,) = listener.calls
    assert call.method == "POST"
    assert call.headers["content-type"] == "application/x-www-form-urlencoded"
    assert call.params == {
        "SimSid": sim.sid,
        "SimUniqueName": "a b",
        "SimStatus": "active",
        "AccountSid": sim.account_sid,
    }


async def test_programmable_wireless_leaves_out_what_is_not_set(
    any_wireless: Api, clock: ManualClock, listener: Listener
) -> None:
    sim = any_wireless.sims[0]
    await any_wireless.update(sim.sid, Status="active", CallbackUrl=listener.url)
    await clock.advance(TRANSITION)
    assert listener.calls[0].params == {
        "SimSid": sim.sid,
        "SimStatus": "active",
        "ApiVersion": "v1",
        "AccountSid": sim.account_sid,
    }


async def test_twilio_signs_a_post_with_the_auth_token(
    supersim: Api, clock: ManualClock, listener: Listener
) -> None:
    url = f"{listener.url}/a%2Fb?x=1#rc=2"
    await supersim.update(supersim.sims[0].sid, Status="active", CallbackUrl=url)
    await clock.advance(TRANSITION)
    (call,) = listener.calls
    assert call.url == f"{listener.url}/a%2Fb?x=1"
    token = supersim.emulator.credentials.auth_token
    expected = twilio_signature(token, call.url, call.params.items())
    assert call.headers["x-twilio-signature"] == expected
    assert call.headers["i-twilio-idempotency-token"]


async def test_kore_signs_a_post_without_the_query(
    kore_supersim: Api, clock: ManualClock, listener: Listener
) -> None:
    await kore_supersim.update(
        kore_supersim.sims[0].sid, Status="active", CallbackUrl=f"{listener.url}?x=1&y=2"
    )
    await clock.advance(TRANSITION)
    (call,) = listener.calls
    secret = kore_supersim.emulator.credentials.webhook_secret
    expected = kore_signature(secret, "POST", listener.url, call.body)
    assert call.headers["kore-signature"] == expected
    assert call.url == f"{listener.url}?x=1&y=2"
    assert call.headers["user-agent"] == "KoreProxy/1.1"
    assert re.fullmatch(r"2026-01-01T00:00:20Z", call.headers["date"])
    assert call.headers["kore-idempotency-token"]


async def test_kore_without_a_secret_sends_an_empty_signature(
    kore_supersim: Api, clock: ManualClock, listener: Listener
) -> None:
    kore_supersim.emulator.behaviour = Behaviour(kore_signs=False)
    await kore_supersim.update(kore_supersim.sims[0].sid, Status="active", CallbackUrl=listener.url)
    await clock.advance(TRANSITION)
    assert listener.calls[0].headers["kore-signature"] == ""


@pytest.mark.parametrize(("merging", "kept"), [("append", "x=1&"), ("replace", "")])
async def test_a_get_carries_its_parameters_in_the_query(
    anywhere: Api, clock: ManualClock, listener: Listener, merging: str, kept: str
) -> None:
    anywhere.emulator.behaviour = Behaviour(get_callback_query=merging)  # type: ignore[arg-type]
    sid = anywhere.sims[0].sid
    await anywhere.update(
        sid, Status="active", CallbackUrl=f"{listener.url}?x=1", CallbackMethod="GET"
    )
    await clock.advance(TRANSITION)
    (call,) = listener.calls
    assert (call.method, call.body) == ("GET", "")
    assert call.url.startswith(f"{listener.url}?{kept}SimSid={sid}&SimStatus=active")
    own = anywhere.emulator.credentials
    if anywhere.vendor == "twilio":
        assert call.headers["x-twilio-signature"] == twilio_signature(own.auth_token, call.url)
    else:
        bare = kore_signature(own.webhook_secret, "GET", listener.url)
        assert call.headers["kore-signature"] == bare


@pytest.mark.parametrize("calls", [True, False])
async def test_whether_a_synchronous_update_calls_back_is_a_setting(
    anywhere: Api, clock: ManualClock, listener: Listener, calls: bool
) -> None:
    anywhere.emulator.behaviour = Behaviour(callback_on_sync_update=calls)
    await anywhere.update(anywhere.sims[0].sid, UniqueName="a", CallbackUrl=listener.url)
    await clock.advance(1)
    assert listener.received_statuses == ["new"] * calls


@pytest.mark.parametrize(
    ("statuses", "twilio", "kore"),
    [([500], 1, 2), ([408], 1, 2), ([423, 503], 1, 2), ([404], 1, 1), ([302], 1, 1), ([], 1, 1)],
)
async def test_a_callback_that_gets_an_error_is_retried_by_kore_only(
    any_supersim: Api,
    clock: ManualClock,
    listener: Listener,
    statuses: list[int],
    twilio: int,
    kore: int,
) -> None:
    listener.statuses = list(statuses)
    await any_supersim.update(any_supersim.sims[0].sid, Status="active", CallbackUrl=listener.url)
    await clock.advance(TRANSITION + 60)
    expected = twilio if any_supersim.vendor == "twilio" else kore
    assert len(listener.calls) == expected
    header = VENDORS[any_supersim.vendor].idempotency_header
    assert len({call.headers[header] for call in listener.calls}) == 1


async def test_a_failed_connection_is_tried_twice(any_supersim: Api, clock: ManualClock) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound but not listening: every connection is refused
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/"
        await any_supersim.update(any_supersim.sims[0].sid, Status="active", CallbackUrl=url)
        await clock.advance(TRANSITION + 60)
    deliveries = any_supersim.emulator.deliveries
    assert [(one.attempt, one.outcome, one.status) for one in deliveries] == [
        (1, "failed", None),
        (2, "failed", None),
    ]


async def test_real_seconds_end_no_connection_while_the_clock_stands_still(
    any_supersim: Api, clock: ManualClock, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(callbacks, "_CONNECT_TIMEOUT", 0.01)
    loop = asyncio.get_running_loop()
    connect = loop.sock_connect

    async def connect_slowly(sock: socket.socket, address: Any) -> None:
        await asyncio.sleep(0.05)  # as on a machine that stalls
        await connect(sock, address)

    await any_supersim.update(any_supersim.sims[0].sid, Status="active", CallbackUrl=listener.url)
    monkeypatch.setattr(loop, "sock_connect", connect_slowly)
    await clock.advance(TRANSITION)
    (delivery,) = any_supersim.emulator.deliveries
    assert (delivery.attempt, delivery.outcome) == (1, "delivered")


async def test_a_connection_that_is_closed_without_a_response_is_not_retried(
    any_supersim: Api, clock: ManualClock
) -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    async with server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        await any_supersim.update(any_supersim.sims[0].sid, Status="active", CallbackUrl=url)
        await clock.advance(TRANSITION + 60)
    (delivery,) = any_supersim.emulator.deliveries
    assert (delivery.outcome, delivery.status) == ("failed", None)


async def test_only_loopback_is_ever_called(supersim: Api, clock: ManualClock) -> None:
    sid = supersim.sims[0].sid
    await supersim.update(sid, Status="active", CallbackUrl="https://example.com/hook")
    await clock.advance(TRANSITION)
    (delivery,) = supersim.emulator.deliveries
    assert (delivery.sid, delivery.outcome) == (sid, "refused")
    assert supersim.sim(sid).status == "active"


async def test_a_lost_callback_is_logged_and_never_sent(
    supersim: Api, clock: ManualClock, listener: Listener
) -> None:
    supersim.emulator.faults = Faults(lost_callbacks=1.0)
    await supersim.update(supersim.sims[0].sid, Status="active", CallbackUrl=listener.url)
    await clock.advance(TRANSITION + 60)
    assert listener.calls == []
    assert [one.outcome for one in supersim.emulator.deliveries] == ["lost"]


async def test_a_delayed_callback_arrives_late(
    supersim: Api, clock: ManualClock, listener: Listener
) -> None:
    supersim.emulator.faults = Faults(late_callbacks=1.0, late_seconds=30)
    await supersim.update(supersim.sims[0].sid, Status="active", CallbackUrl=listener.url)
    await clock.advance(TRANSITION + 29)
    assert listener.calls == []
    await clock.advance(1)
    assert listener.received_statuses == ["active"]


async def test_a_duplicated_callback_has_one_idempotency_token(
    supersim: Api, clock: ManualClock, listener: Listener
) -> None:
    supersim.emulator.faults = Faults(doubled_callbacks=1.0)
    await supersim.update(supersim.sims[0].sid, Status="active", CallbackUrl=listener.url)
    await clock.advance(TRANSITION)
    first, second = listener.calls
    assert first.headers == second.headers


async def test_hundreds_of_callbacks_all_arrive(
    supersim: Api, clock: ManualClock, listener: Listener
) -> None:
    world = supersim.emulator.world("twilio")
    plan = world.fleets.find("default")
    assert plan is not None
    sids = [world.add_sim("supersim", fleet_sid=plan.sid).sid for _ in range(200)]
    for sid in sids:
        await supersim.update(sid, Status="active", CallbackUrl=listener.url)
    await clock.advance(TRANSITION)
    assert {call.params["SimSid"] for call in listener.calls} == set(sids)


URL = "https://mycompany.com/myapp.php?foo=1&bar=2"
CALL = [
    ("CallSid", "CA1234567890ABCDE"),
    ("Digits", "1234"),
    ("From", "+14158675309"),
    ("To", "+18005551212"),
    ("Caller", "+14158675309"),
]
REPEATED = [
    ("Sid", "CA123"),
    ("SidAccount", "AC123"),
    ("Digits", "5678"),
    ("Digits", "1234"),
    ("Digits", "1234"),
]


@pytest.mark.parametrize(
    ("params", "signature"),
    [
        (CALL, "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
        (REPEATED, "IK+Dwps556ElfBT0I3Rgjkr1wJU="),
        ([], "zYQTYrRWXE7LtzbG4PfP7/bkkGo="),
    ],
)
def test_twilio_signatures_match_the_published_ones(
    params: list[tuple[str, str]], signature: str
) -> None:
    assert twilio_signature("12345", URL, params) == signature


def test_a_fragment_is_not_part_of_a_signed_url() -> None:
    assert twilio_signature("12345", f"{URL}#rc=2", []) == twilio_signature("12345", URL, [])


@pytest.mark.parametrize(
    ("secret", "body", "signature"),
    [
        (
            "12345",
            "field1=value1&field2=value2",
            "f562d3959f68b5a30fc7a63f8bbf40987f633575f4231ffceb4f76dd154ea3ce",
        ),
        (
            "secret12345",
            "field1=value1&field2=value2",
            "4fdba0cb1394cc8d17b8dabb04634aa9a951021a7b161f9c7a2186cd490b18b2",
        ),
        (
            "a35974bdf1c769b8bb",
            '{"field1":"value1","field2":"value2"}',
            "d21c555b37789cdb9433a85760d326f0c637d5c17676b8dc49918ec629c67d59",
        ),
    ],
)
def test_kore_signatures_match_the_published_ones(secret: str, body: str, signature: str) -> None:
    assert kore_signature(secret, "POST", "https://testendpoint.com", body) == signature


def test_kore_drops_query_and_fragment_before_signing() -> None:
    bare = kore_signature("12345", "POST", "https://testendpoint.com/a", "x=1")
    assert kore_signature("12345", "POST", "https://testendpoint.com/a?b=2#c", "x=1") == bare


def test_an_account_without_a_secret_sends_an_empty_signature() -> None:
    assert kore_signature(None, "POST", "https://testendpoint.com", "x=1") == ""

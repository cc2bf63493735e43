"""Credentials that change while a client runs: requests, waits, tickets and signatures."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest
from attrs import evolve

from asyncsim import AuthenticationError, CallbackReceiver, Client, ConfigurationError
from asyncsim.clock import ManualClock
from tests.http.server import Received, ScriptedResponse
from tests.integration.conftest import OpenHarness
from tests.integration.harness import APIS, TRANSITION, Api, Harness, complete
from tests.resources.scripted import AUTH_TOKEN, open_scripted, sid

NEW = "the-new-secret-0123456789"
SIM = {"sid": sid("HS"), "status": "active"}


def revoke(harness: Harness) -> dict[str, str]:
    """Change the secret of the account at the vendor; returns the keyword of `rotate`."""
    world, keyword = harness.emulator.world(harness.api.vendor), "auth_token"
    if harness.api.vendor == "kore":
        keyword = "client_secret"
        harness.emulator.expire_tokens()
    world.credentials = evolve(world.credentials, **{keyword: NEW})
    return {keyword: NEW}


@pytest.mark.parametrize("listens", [False, True])
async def test_a_wait_goes_on_with_the_new_credentials(
    start_harness: OpenHarness, api: Api, listens: bool
) -> None:
    harness = await start_harness(api, listens=listens)
    work = await harness.start(harness.sims.update_and_wait(harness.sid, status="active"))
    await harness.clock.advance(2)
    keywords = revoke(harness)
    harness.client.rotate(**keywords)
    assert (await harness.complete(work)).status == "active"
    assert len(harness.posts()) == 1
    if harness.receiver is not None:  # signed with the new token, with a ticket of the old one
        counts = harness.receiver.counts
        assert (counts.accepted, counts.unconfirmed, counts.refused) == (1, 0, 0)


async def test_a_wait_whose_reads_are_rejected_already_goes_on(harness: Harness) -> None:
    work = await harness.start(harness.sims.update_and_wait(harness.sid, status="active"))
    keywords = revoke(harness)
    await harness.clock.advance(TRANSITION / 4)
    breaker = harness.client.context.credentials_breaker
    assert breaker.rejection is not None
    harness.client.rotate(**keywords)
    assert breaker.rejection is None
    assert (await harness.complete(work)).status == "active"


async def test_new_webhook_secrets_say_nothing_about_rejected_credentials(
    start_harness: OpenHarness,
) -> None:
    harness = await start_harness(Api("kore", "supersim"))
    work = await harness.start(harness.sims.update_and_wait(harness.sid, status="active"))
    keywords = revoke(harness)
    await harness.clock.advance(TRANSITION / 4)
    harness.client.rotate(webhook_secrets=[NEW])
    assert harness.client.context.credentials_breaker.rejection is not None
    harness.client.rotate(**keywords)
    assert (await harness.complete(work)).status == "active"


async def test_credentials_that_were_given_up_work_again_after_a_rotation(
    harness: Harness,
) -> None:
    work = await harness.start(harness.sims.update_and_wait(harness.sid, status="active"))
    keywords = revoke(harness)
    with pytest.raises(AuthenticationError):
        await harness.complete(work)
    harness.client.rotate(**keywords)
    sim = await harness.complete(harness.sims.await_transition(harness.sid))
    assert (sim.status, len(harness.posts())) == ("active", 1)


async def test_many_updates_go_on_from_the_auth_token_to_an_api_key(
    start_harness: OpenHarness,
) -> None:
    harness = await start_harness(sims=40)
    own = harness.emulator.credentials
    changes = {one: {"status": "active"} for one in harness.sids}
    work = await harness.start(harness.collect(harness.sims.update_many(changes, window=10)))
    harness.client.rotate(api_key=own.api_key, api_secret=own.api_secret)
    revoke(harness)
    outcomes = await harness.complete(work)
    assert all(one.ok for one in outcomes.values())
    assert all(len(harness.posts(one)) == 1 for one in changes)


@pytest.mark.parametrize("own_session", [True, False])
async def test_a_request_in_flight_that_is_rejected_is_retried_with_the_new_credentials(
    clock: ManualClock, own_session: bool
) -> None:
    async with (
        aiohttp.ClientSession() as session,
        open_scripted(clock, session=None if own_session else session) as scripted,
    ):

        async def respond(one: Received) -> ScriptedResponse:
            if len(scripted.received) == 1:
                scripted.client.rotate(auth_token=NEW)
                return ScriptedResponse(401, {"code": 20003, "message": "Authenticate"})
            return ScriptedResponse(200, SIM)

        scripted.script = respond
        for _ in range(2):  # the second one has the new header from its beginning
            await scripted.complete(scripted.client.supersim.sims.fetch(SIM["sid"]))
        old, *new = [one.headers["Authorization"] for one in scripted.received]
        assert len(new) == 2
        assert old not in new
        assert new[0] == new[1]


async def test_the_same_credentials_again_are_no_reason_to_retry(clock: ManualClock) -> None:
    async with open_scripted(clock) as scripted:

        async def respond(_: Received) -> ScriptedResponse:
            scripted.client.rotate(auth_token=AUTH_TOKEN)
            return ScriptedResponse(401, {"code": 20003, "message": "Authenticate"})

        scripted.script = respond
        with pytest.raises(AuthenticationError):
            await scripted.complete(scripted.client.supersim.sims.fetch(SIM["sid"]))
        assert len(scripted.received) == 1


async def test_a_client_that_is_not_open_yet_may_rotate(harness: Harness) -> None:
    keywords = revoke(harness)
    client = harness.emulator.client(harness.api.vendor, clock=harness.clock)
    client.rotate(**keywords)
    async with client:
        sims: Any = getattr(client, harness.api.product).sims
        assert (await complete(harness.clock, sims.fetch(harness.sid))).sid == harness.sid


@pytest.mark.parametrize(
    ("vendor", "given", "message"),
    [
        ("twilio", {}, "pass credentials of Twilio, which has auth_token="),
        ("twilio", {"account_sid": "AC1"}, "pass credentials of Twilio"),
        ("twilio", {"client_secret": NEW}, "client_secret= is not a credential of Twilio"),
        ("twilio", {"account_sid": "AC2", "auth_token": NEW}, "bound to AC1"),
        ("twilio", {"auth_token": ""}, "Twilio needs auth_token"),
        ("twilio", {"api_key": "SK1"}, "api_key and api_secret go together"),
        ("twilio", {"auth_token": f" {NEW}"}, "auth_token has white space"),
        ("kore", {"auth_token": NEW}, "auth_token= is not a credential of KORE"),
        ("kore", {"client_id": "other", "client_secret": NEW}, "bound to client"),
        ("kore", {"webhook_secrets": NEW}, "a list of secrets"),
    ],
)
def test_credentials_that_do_not_fit_are_rejected_and_change_nothing(
    vendor: str, given: dict[str, Any], message: str
) -> None:
    client = Client.twilio("AC1", "token") if vendor == "twilio" else Client.kore("client", "old")
    before = client.context.ticket_secrets
    with pytest.raises(ConfigurationError, match=message) as rejected:
        client.rotate(**given)
    assert NEW not in str(rejected.value)
    assert client.context.ticket_secrets == before


def test_the_latest_derived_ticket_secrets_are_kept_and_the_current_one_signs() -> None:
    client = Client.twilio("AC1", "token-0", ticket_secrets=[])
    first = client.context.ticket_secrets
    for number in range(1, 20):
        client.rotate(auth_token=f"token-{number}")
    kept = client.context.ticket_secrets
    assert kept[0] == Client.twilio("AC1", "token-19").context.ticket_secrets[0]
    assert len(kept) == 8
    assert first[0] not in kept
    client.rotate(auth_token="token-18")
    assert client.context.ticket_secrets[:2] == (kept[1], kept[0])


# Ticket secrets of the client.


@pytest.mark.parametrize(
    ("own", "verifies"), [([], ["shared"]), (["the receiver's"], ["the receiver's"])]
)
async def test_the_clients_ticket_secrets_sign_unless_the_receiver_has_its_own(
    start_harness: OpenHarness, clock: ManualClock, own: list[str], verifies: list[str]
) -> None:
    harness = await start_harness(
        APIS[0], listens=True, receiver={"ticket_secrets": own}, ticket_secrets=["shared"]
    )
    await harness.sims.update(harness.sid, status="active")
    url = harness.posts()[0].form["CallbackUrl"][0]
    path = "/" + url.split("/", 3)[3]
    only = CallbackReceiver("http://127.0.0.1:1", ticket_secrets=verifies, clock=clock)
    assert only.receive("POST", path, {}, b"SimStatus=active") == 204
    other = CallbackReceiver("http://127.0.0.1:1", ticket_secrets=["other"], clock=clock)
    assert other.receive("POST", path, {}, b"SimStatus=active") == 403


def test_ticket_secrets_are_listed_first_to_last_and_the_derived_one_verifies_too() -> None:
    derived = Client.twilio("AC1", "token").context.ticket_secrets
    given = Client.twilio("AC1", "token", ticket_secrets=["new", "old"]).context.ticket_secrets
    assert len(derived) == 1
    assert len(given) == 3
    assert given[2:] == derived
    swapped = Client.kore("c", "s", ticket_secrets=["old", "new"]).context.ticket_secrets
    assert swapped[:2] == (given[1], given[0])


@pytest.mark.parametrize("secrets", ["one text", [""], [None], [" padded"]])
def test_unusable_ticket_secrets_are_rejected(secrets: Any) -> None:
    with pytest.raises(ConfigurationError, match="ticket_secrets"):
        Client.twilio("AC1", "token", ticket_secrets=secrets)

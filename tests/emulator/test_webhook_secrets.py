"""KORE webhook secrets: their own API, and the secret that signs callbacks."""

from __future__ import annotations

import pytest

from asyncsim.clock import ManualClock
from asyncsim.emulator import Behaviour
from asyncsim.emulator.callbacks import kore_signature
from tests.emulator.api import Api, Listener
from tests.emulator.conftest import TRANSITION

SECRETS = "/v1/secrets"


@pytest.fixture
def webhooks(kore_supersim: Api) -> Api:
    return kore_supersim.of("webhooks")


async def signed_with(api: Api, clock: ManualClock, listener: Listener, secret: str) -> bool:
    """Whether the next callback is signed with a secret."""
    sim = api.world.add_sim("supersim", fleet_sid=next(iter(api.world.fleets)))
    await api.update(sim.sid, Status="active", CallbackUrl=listener.url)
    await clock.advance(TRANSITION)
    call = listener.calls[-1]
    return call.headers["kore-signature"] == kore_signature(secret, "POST", call.url, call.body)


async def test_a_secrets_value_is_shown_once(webhooks: Api) -> None:
    made = await webhooks.send_json("POST", SECRETS, {"Name": "second"})
    assert made.status == 201
    assert made.body.keys() == {"id", "name", "status", "last_modified", "secret"}
    assert made.body["id"].startswith("whs_")
    assert len(made.body["id"]) == 30
    listed = (await webhooks.get(SECRETS)).body
    assert [row["name"] for row in listed["data"]] == ["second", "emulated"]
    assert all("secret" not in row for row in listed["data"])


async def test_the_last_activated_secret_signs(
    kore_supersim: Api, webhooks: Api, clock: ManualClock, listener: Listener
) -> None:
    first = kore_supersim.emulator.credentials.webhook_secret
    assert await signed_with(kore_supersim, clock, listener, first)
    second = (await webhooks.send_json("POST", SECRETS, {"Name": "second"})).body
    assert await signed_with(kore_supersim, clock, listener, second["secret"])
    path = f"{SECRETS}/{second['id']}"
    assert (await webhooks.send_json("PATCH", path, {"Status": "pending"})).status == 200
    assert await signed_with(kore_supersim, clock, listener, first)
    got = await webhooks.send_json("PATCH", path, {"Name": "renamed", "Status": "active"})
    assert (got.body["name"], got.body["status"]) == ("renamed", "active")
    assert await signed_with(kore_supersim, clock, listener, second["secret"])


async def test_a_new_secret_may_be_activated_later(
    kore_supersim: Api, webhooks: Api, clock: ManualClock, listener: Listener
) -> None:
    kore_supersim.emulator.behaviour = Behaviour(new_secret_status="pending")
    made = await webhooks.send_json("POST", SECRETS, {"Name": "second"})
    assert made.body["status"] == "pending"
    first = kore_supersim.emulator.credentials.webhook_secret
    assert await signed_with(kore_supersim, clock, listener, first)


async def test_an_account_without_an_active_secret_sends_an_empty_signature(
    kore_supersim: Api, webhooks: Api, clock: ManualClock, listener: Listener
) -> None:
    (row,) = (await webhooks.get(SECRETS)).body["data"]
    await webhooks.send_json("PATCH", f"{SECRETS}/{row['id']}", {"Status": "pending"})
    await signed_with(kore_supersim, clock, listener, "anything")
    assert listener.calls[-1].headers["kore-signature"] == ""


async def test_pages_are_numbered_from_one(webhooks: Api) -> None:
    for number in range(4):
        await webhooks.send_json("POST", SECRETS, {"Name": f"number {number}"})
    got = await webhooks.get(SECRETS, page_size=2, page_number=2, status="active")
    assert [row["name"] for row in got.body["data"]] == ["number 1", "number 0"]
    meta = got.body["meta_data"]
    assert (meta["count"], meta["page_size"], meta["page_number"]) == (5, 2, 2)
    assert len((await webhooks.follow(meta["previous_page_url"])).body["data"]) == 2
    last = (await webhooks.follow(meta["next_page_url"])).body
    assert (len(last["data"]), "next_page_url" in last["meta_data"]) == (1, False)
    assert (await webhooks.get(SECRETS, status="pending")).body["data"] == []


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", SECRETS, {}, 400),
        ("POST", SECRETS, {"Name": 5}, 400),
        ("POST", SECRETS, ["Name"], 400),
        ("PATCH", f"{SECRETS}/whs_unknown", {"Name": "x"}, 404),
        ("PATCH", SECRETS, {"Name": "x"}, 405),
        ("DELETE", SECRETS, None, 405),
        ("GET", "/v1/others", None, 404),
        ("GET", f"{SECRETS}?page_size=0", None, 400),
        ("GET", f"{SECRETS}?page_number=x", None, 400),
        ("GET", f"{SECRETS}?status=old", None, 400),
    ],
)
async def test_rejections_have_an_envelope_with_info(
    webhooks: Api, method: str, path: str, body: object, status: int
) -> None:
    got = await webhooks.send_json(method, path, body)
    assert got.status == status
    assert got.body.keys() == {"code", "message", "info", "status"}
    assert got.body["info"] == f"https://docs.korewireless.com/errors/{got.code}"


async def test_an_unknown_status_and_malformed_json_are_rejected(webhooks: Api) -> None:
    (row,) = (await webhooks.get(SECRETS)).body["data"]
    path = f"{SECRETS}/{row['id']}"
    assert (await webhooks.send_json("PATCH", path, {"Status": "old"})).status == 400
    assert (await webhooks.send("PATCH", path, "{", "application/json")).status == 400

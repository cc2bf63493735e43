from __future__ import annotations

import base64
import json

import pytest

from asyncsim.clock import ManualClock
from asyncsim.emulator import Behaviour
from tests.emulator.api import Api, basic


@pytest.mark.parametrize(
    ("authorization", "message"),
    [
        (None, "Authenticate"),
        ("Bearer token", "Authenticate"),
        ("Basic !!!", "Authenticate"),
        (basic("ACmissing", "x"), "Authentication Error - invalid username"),
        (basic("AC" + "e" * 32, "wrong"), "Authenticate"),
        (basic("AC" + "e" * 32, ""), "Authenticate"),
    ],
)
async def test_twilio_rejects_wrong_credentials(
    supersim: Api, authorization: str | None, message: str
) -> None:
    supersim.authorization = authorization
    got = await supersim.get()
    assert (got.status, got.code, got.body["message"]) == (401, 20003, message)
    assert got.headers["WWW-Authenticate"].startswith("Basic")


async def test_twilio_accepts_an_api_key(supersim: Api) -> None:
    own = supersim.emulator.credentials
    supersim.authorization = basic(own.api_key, own.api_secret)
    assert (await supersim.get()).status == 200


async def test_kore_mints_a_jwt_like_token_and_accepts_it(kore_supersim: Api) -> None:
    got = await kore_supersim.mint()
    assert got.status == 200
    assert {name: got.body[name] for name in ("expires_in", "token_type")} == {
        "expires_in": 3600,
        "token_type": "Bearer",
    }
    claims = got.body["access_token"].split(".")[1]
    assert json.loads(base64.urlsafe_b64decode(claims + "=="))["exp"] > 0
    assert (await kore_supersim.get()).status == 200


async def test_kore_rejects_a_missing_token_with_401_and_no_code(kore_supersim: Api) -> None:
    kore_supersim.authorization = ""
    got = await kore_supersim.get()
    assert (got.status, got.body) == (401, {"message": "Unauthorized"})


async def test_kore_rejects_an_unknown_token_with_403(kore_supersim: Api) -> None:
    kore_supersim.authorization = "Bearer unknown"
    got = await kore_supersim.get()
    assert got.status == 403
    assert got.body == {
        "message": "User is not authorized to access this resource with an explicit deny",
        "error": "Invalid or expired token",
    }


async def test_a_token_expires_after_expires_in(kore_supersim: Api, clock: ManualClock) -> None:
    kore_supersim.emulator.behaviour = Behaviour(kore_token_lifetime=60)
    assert (await kore_supersim.get()).status == 200
    await clock.advance(59)
    assert (await kore_supersim.get()).status == 200
    await clock.advance(1)
    assert (await kore_supersim.get()).status == 403


async def test_tokens_can_be_expired_at_once(kore_supersim: Api) -> None:
    await kore_supersim.get()
    kore_supersim.emulator.expire_tokens()
    assert (await kore_supersim.get()).status == 403
    kore_supersim.authorization = None
    assert (await kore_supersim.get()).status == 200


async def test_kore_rejects_a_wrong_client(kore_supersim: Api) -> None:
    got = await kore_supersim.mint(client_secret="wrong")
    assert got.status == 401
    assert got.body == {
        "error": "unauthorized_client",
        "error_description": "Invalid client or Invalid client credentials",
    }


async def test_kore_rejects_another_grant_type(kore_supersim: Api) -> None:
    got = await kore_supersim.mint(grant_type="password")
    assert got.status == 400
    assert set(got.body) == {"code", "message"}


async def test_the_request_log_holds_no_secret(kore_supersim: Api) -> None:
    await kore_supersim.post("/v1/Sims", Iccid="1", RegistrationCode="SECRETCODE")
    logged = repr(kore_supersim.emulator.requests)
    assert "SECRETCODE" not in logged
    assert kore_supersim.emulator.credentials.client_secret not in logged
    assert kore_supersim.emulator.requests[0].path == "/auth/token"

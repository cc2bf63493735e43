"""Whitespace and control characters in arguments and in vendor responses."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from asyncsim import AsyncSimError, CallbackReceiver, Client, ConfigurationError, Hosts
from asyncsim.models.supersim.sims import Sim
from tests.http.server import Received, ScriptedResponse
from tests.resources.scripted import ScriptedApi

AC, HS, HF = "AC" + "0" * 32, "HS" + "0" * 32, "HF" + "0" * 32
SURROUNDING = [" {}", "{} ", "{}\n", "\t{}", "\u00a0{}", "{}\u200b", "\ufeff{}", "{}\r\n"]
INNER = ["a\0{}", "a\r\nX-Evil: 1{}", "a\x1b[2J{}", "a\u2028{}", "a\ud800{}"]
each_stray = pytest.mark.parametrize("pattern", [*SURROUNDING, *INNER])

CREDENTIALS: dict[str, Callable[[str], Any]] = {
    "account_sid": lambda text: Client.twilio(text, "token"),
    "auth_token": lambda text: Client.twilio(AC, text),
    "api_key": lambda text: Client.twilio(AC, api_key=text, api_secret="s"),
    "api_secret": lambda text: Client.twilio(AC, api_key="SK1", api_secret=text),
    "client_id": lambda text: Client.kore(text, "secret"),
    "client_secret": lambda text: Client.kore("id", text),
    "webhook_secrets": lambda text: Client.kore("id", "s", webhook_secrets=[text]),
    "twilio_auth_tokens": lambda text: CallbackReceiver(twilio_auth_tokens=[text]),
    "kore_webhook_secrets": lambda text: CallbackReceiver(kore_webhook_secrets=[text]),
    "ticket_secrets": lambda text: CallbackReceiver(ticket_secrets=[text]),
    "public_url": lambda text: CallbackReceiver(f"https://{text}"),
}


@each_stray
@pytest.mark.parametrize("argument", CREDENTIALS)
def test_a_stray_character_in_a_credential_names_the_argument_and_not_the_value(
    argument: str, pattern: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        CREDENTIALS[argument](pattern.format("hidden-word"))
    assert str(caught.value).startswith(argument)
    assert "hidden-word" not in str(caught.value)


VARIABLES = {
    "TWILIO_ACCOUNT_SID": {"TWILIO_AUTH_TOKEN": "token"},
    "TWILIO_AUTH_TOKEN": {"TWILIO_ACCOUNT_SID": AC},
    "TWILIO_API_KEY": {"TWILIO_ACCOUNT_SID": AC, "TWILIO_API_SECRET": "s"},
    "TWILIO_API_SECRET": {"TWILIO_ACCOUNT_SID": AC, "TWILIO_API_KEY": "SK1"},
    "ASYNCSIM_KORE_CLIENT_ID": {"ASYNCSIM_KORE_CLIENT_SECRET": "s"},
    "ASYNCSIM_KORE_CLIENT_SECRET": {"ASYNCSIM_KORE_CLIENT_ID": "id"},
    "ASYNCSIM_KORE_WEBHOOK_SECRET": {
        "ASYNCSIM_KORE_CLIENT_ID": "id",
        "ASYNCSIM_KORE_CLIENT_SECRET": "s",
    },
    "ASYNCSIM_EMULATOR": {},
    "ASYNCSIM_EMULATOR_SPEED": {"ASYNCSIM_EMULATOR": "http://127.0.0.1:1"},
}


@pytest.mark.parametrize("pattern", [" {}", "{}\n", "{}\r", "\ufeff{}", "a\x1b{}"])
@pytest.mark.parametrize("name", VARIABLES)
def test_a_stray_character_in_the_environment_names_the_variable_and_not_the_value(
    monkeypatch: pytest.MonkeyPatch, name: str, pattern: str
) -> None:
    for other in VARIABLES:
        monkeypatch.delenv(other, raising=False)
    for other, value in VARIABLES[name].items():
        monkeypatch.setenv(other, value)
    monkeypatch.setenv(name, pattern.format("http://hidden-word"))
    with pytest.raises(ConfigurationError, match=rf"^{name} in the environment has") as caught:
        Client.from_env()
    assert "hidden-word" not in str(caught.value)


@each_stray
@pytest.mark.parametrize("name", ["wireless", "supersim", "monitor", "webhooks", "token"])
def test_a_stray_character_in_a_base_url_names_the_host(name: str, pattern: str) -> None:
    with pytest.raises(ValueError, match=rf"^Hosts\({name}=\.\.\.\) must read"):
        Hosts(**{name: pattern.format("http://127.0.0.1:1")})


@pytest.mark.parametrize("url", ["http://ho st", "http://host/a b", "http://host/grün"])
def test_a_base_url_is_percent_encoded(url: str) -> None:
    with pytest.raises(ValueError, match="percent-encoded"):
        Hosts(supersim=url)


@each_stray
async def test_a_stray_character_in_a_name_is_rejected_before_sending(
    scripted: ScriptedApi, pattern: str
) -> None:
    name, sims = pattern.format(HS), scripted.client.supersim.sims
    calls: list[Callable[[], Any]] = [
        lambda: sims.fetch(name),
        lambda: sims.update(name, status="active"),
        lambda: sims.update_and_wait(name, status="active"),
        lambda: sims.await_transition(name, until="active"),
        lambda: scripted.client.supersim.billing_periods.list(name),
    ]
    for call in calls:
        with pytest.raises(ValueError, match=r"white space|control character") as caught:
            await call()
        assert "\n" not in str(caught.value)
        assert "\x1b" not in str(caught.value)
    outcomes = [one async for one in sims.update_many({name: {"status": "active"}})]
    assert isinstance(outcomes[0].error, ValueError)
    assert scripted.received == []


@each_stray
async def test_a_stray_character_in_a_value_names_the_keyword(
    scripted: ScriptedApi, pattern: str
) -> None:
    sims = scripted.client.supersim.sims
    with pytest.raises(ValueError, match=r"fleet='.*' has") as caught:
        await sims.update(HS, fleet=pattern.format(HF))
    assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match="callback_url has") as caught:
        await sims.update(HS, status="active", callback_url=pattern.format("https://me:hidden@x"))
    assert "hidden" not in str(caught.value)
    with pytest.raises(ValueError, match=r"iccid='.*' has"):
        sims.list(iccid=pattern.format("8988307000000000000"))
    with pytest.raises(ValueError, match=r"page_token='.*' has"):
        sims.list(page_token=pattern.format("PAHS1"))
    assert scripted.received == []


async def test_a_text_for_a_device_may_contain_any_character(scripted: ScriptedApi) -> None:
    async def script(one: Received) -> ScriptedResponse:
        return ScriptedResponse(
            201, {"sid": "HC" + "0" * 32, "account_sid": AC, "status": "queued"}
        )

    scripted.script = script
    await scripted.client.supersim.sms_commands.create(sim=HS, payload=" AT\r\n\x1b ")
    assert scripted.received[0].body.startswith(f"Sim={HS}&Payload=+AT%0D%0A%1B+")


NEXT = "https://supersim.twilio.com/v1/Sims?"


@pytest.mark.parametrize(
    ("following", "query"),
    [
        ("Fleet=a b&Page=1", "Fleet=a%20b&Page=1"),
        ("Fleet=grün&Page=1", "Fleet=gr%C3%BCn&Page=1"),
        ("Fleet=a\r\nX-Evil: 1&Page=1", "Fleet=a%0D%0AX-Evil:%201&Page=1"),
        ("Fleet=a\0b\tc&Page=1", "Fleet=a%00b%09c&Page=1"),
        ("Fleet=a\u2028b&Page=1", "Fleet=a%E2%80%A8b&Page=1"),
        ("Fleet=a\ud800b&Page=1", "Fleet=a%EF%BF%BDb&Page=1"),
        ("Page=1\n", "Page=1"),
        (" HTTP/1.1\r\n\r\nDELETE /v1/Sims/HS1?", "%20HTTP/1.1%0D%0A%0D%0ADELETE%20/v1/Sims/HS1?"),
        # Text that is already encoded stays unchanged.
        ("Fleet=a%2Bb+c%20d&Page=1", "Fleet=a%2Bb+c%20d&Page=1"),
        ("Fleet=100%&Page=1", "Fleet=100%&Page=1"),
    ],
)
async def test_invalid_characters_in_a_next_page_url_are_percent_encoded(
    scripted: ScriptedApi, following: str, query: str
) -> None:
    async def script(one: Received) -> ScriptedResponse:
        is_first = one.raw_path == "/v1/Sims"
        meta = {"key": "sims", "next_page_url": NEXT + following if is_first else None}
        return ScriptedResponse(200, {"sims": [], "meta": meta})

    scripted.script = script
    rows: list[Sim] = [one async for one in scripted.client.supersim.sims.list()]
    assert rows == []
    assert [one.raw_path for one in scripted.received] == ["/v1/Sims", f"/v1/Sims?{query}"]


@pytest.mark.parametrize(
    "url", ["https://a\r\nb/v1/Sims?Page=1", "https://a\0b/?Page=1", "\r\n\0", "?Page=1\0"]
)
async def test_a_next_page_at_an_invalid_host_raises_an_sdk_error(
    scripted: ScriptedApi, url: str
) -> None:
    async def script(one: Received) -> ScriptedResponse:
        is_first = one.raw_path == "/v1/Sims"
        return ScriptedResponse(
            200, {"sims": [], "meta": {"next_page_url": url if is_first else None}}
        )

    scripted.script = script
    with suppress(AsyncSimError):
        assert [one async for one in scripted.client.supersim.sims.list()] == []
    assert all(one.raw_path.startswith("/v1/Sims") for one in scripted.received)

"""No secret is in the variables of a failure's frames, as rich, Sentry and pytest show them."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable, Iterator
from types import FrameType
from typing import Any
from urllib.parse import parse_qs

import aiohttp
import pytest
from rich.traceback import Traceback

from asyncsim import (
    CallbackReceiver,
    Client,
    ConfigurationError,
    Hosts,
    RetryPolicy,
    Timeout,
    TokenError,
)
from asyncsim.callbacks.tickets import account_tag
from asyncsim.core import wait_token
from asyncsim.core.goal import Goal
from asyncsim.core.unproven import Before
from asyncsim.core.wait_token import WaitToken
from asyncsim.models.supersim.sims import SIMS
from asyncsim.redaction import Redacted
from tests.http.server import CUT, DROP, HANG, Received, ScriptedResponse, Server

AC, HS = "AC" + "0" * 32, "HS" + "0" * 32
PASSWORD = "password-that-must-not-be-shown"
TOKEN = "token-that-must-not-be-shown-" + "x" * 200  # longer than what rich cuts
PROXY = "proxy-word-that-must-not-be-shown"
# Prefixes, because shown text may be cut.
SECRETS = [
    PASSWORD,
    TOKEN[:26],
    PROXY,
    base64.b64encode(f"{AC}:{PASSWORD}".encode()).decode()[:60],
]
SIM = {"sid": HS, "status": "scheduled", "account_sid": AC}
OPTIONS: dict[str, Any] = {
    "retry": RetryPolicy(attempts=2, base=0.0),
    "timeout": Timeout(request=0.1),
}


def frames_of(error: BaseException | None, seen: set[int]) -> Iterator[FrameType]:
    if error is None or id(error) in seen:
        return
    seen.add(id(error))
    trace = error.__traceback__
    while trace is not None:
        yield trace.tb_frame
        trace = trace.tb_next
    for one in (error.__cause__, error.__context__):
        yield from frames_of(one, seen)


def shown(error: BaseException) -> str:
    """All variables of all frames but the tests' own, as Sentry and as rich show them."""
    frames = [one for one in frames_of(error, set()) if "/tests/" not in one.f_code.co_filename]
    texts = [repr(value) for frame in frames for value in frame.f_locals.values()]
    assert any("asyncsim" in frame.f_code.co_filename for frame in frames)
    error.__traceback__ = error.__traceback__.tb_next if error.__traceback__ else None
    while error.__traceback__ and "/tests/" in error.__traceback__.tb_frame.f_code.co_filename:
        error.__traceback__ = error.__traceback__.tb_next
    # What rich shows, without the source code, whose highlighting takes a second.
    trace = Traceback.extract(
        type(error), error, error.__traceback__, show_locals=True, locals_max_length=100
    )
    for stack in trace.stacks:
        texts.append(stack.exc_value)
        texts += [str(node) for one in stack.frames for node in (one.locals or {}).values()]
    return "\n".join(texts)


async def fails(work: Awaitable[object], *more: str) -> None:
    with pytest.raises(Exception) as caught:  # whatever it is
        await work
    text = shown(caught.value)
    assert [secret for secret in (*SECRETS, *more) if secret in text] == []


def client(server: Server, vendor: str, **settings: Any) -> Client:
    options = {
        "hosts": Hosts(supersim=server.url, token=f"{server.url}/token"),
        **OPTIONS,
        **settings,
    }
    if vendor == "kore":
        return Client.kore("id", PASSWORD, **options)
    return Client.twilio(AC, PASSWORD, **options)


def responding(response: ScriptedResponse) -> Callable[[Received], Awaitable[ScriptedResponse]]:
    async def script(one: Received) -> ScriptedResponse:
        if one.raw_path == "/token":
            return ScriptedResponse(200, {"access_token": TOKEN, "expires_in": 3600})
        return response

    return script


FAILURES = [401, 500, DROP, CUT, HANG]
each_vendor = pytest.mark.parametrize("vendor", ["twilio", "kore"])


@each_vendor
@pytest.mark.parametrize("failure", FAILURES)
async def test_a_failing_request_shows_no_login(
    server: Server, vendor: str, failure: int | str
) -> None:
    server.otherwise = responding(ScriptedResponse(failure))
    async with client(server, vendor) as one:
        await fails(one.supersim.sims.fetch(HS))
        await fails(one.supersim.sms_commands.create(sim=HS, payload="x"))
    async with aiohttp.ClientSession() as session, client(server, vendor, session=session) as one:
        await fails(one.supersim.sims.fetch(HS))


@each_vendor
async def test_an_unreadable_response_shows_no_login(server: Server, vendor: str) -> None:
    server.otherwise = responding(ScriptedResponse(200, "<html>"))
    async with client(server, vendor) as one:
        await fails(one.supersim.sims.fetch(HS))
        await fails(one.supersim.sims.list())


@each_vendor
@pytest.mark.parametrize("failure", [200, 400, DROP])
async def test_a_failing_change_shows_neither_login_nor_ticket(
    server: Server, vendor: str, failure: int | str
) -> None:
    server.otherwise = responding(ScriptedResponse(failure, SIM if failure == 200 else {}))
    async with client(server, vendor, receiver=CallbackReceiver()) as one:
        # The ticket of the change that will fail, read before the failure.
        with pytest.raises(Exception) as caught:
            await one.supersim.sims.update_and_wait(HS, status="active", timeout=0.3)
    forms = [parse_qs(one.body) for one in server.received if "Status=active" in one.body]
    tickets = {form["CallbackUrl"][0].rpartition("/")[2] for form in forms}
    assert tickets
    text = shown(caught.value)
    assert [secret for secret in (*SECRETS, *tickets) if secret in text] == []


@each_vendor
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_failing_proxy_shows_no_login(server: Server, vendor: str, scheme: str) -> None:
    server.otherwise = responding(ScriptedResponse(407))
    for port in (1, server.port):
        settings = {
            "proxy": f"http://me:{PROXY}@127.0.0.1:{port}",
            "hosts": Hosts(supersim=f"{scheme}://x.invalid", token=f"{scheme}://x.invalid/token"),
        }
        async with client(server, vendor, **settings) as one:
            await fails(one.supersim.sims.fetch(HS))


@pytest.mark.parametrize(
    "response",
    [
        ScriptedResponse(401, {"error": "invalid_client", "error_description": PASSWORD}),
        ScriptedResponse(200, {"access_token": f"{TOKEN} {TOKEN}", "expires_in": 60}),
        ScriptedResponse(200, f'{{"access_token": "{TOKEN}'),
        ScriptedResponse(DROP),
    ],
)
async def test_a_token_that_cannot_be_fetched_shows_no_secret(
    server: Server, response: ScriptedResponse
) -> None:
    async def script(one: Received) -> ScriptedResponse:
        return response

    server.otherwise = script
    async with client(server, "kore") as one:
        await fails(one.supersim.sims.fetch(HS))


def from_env(**variables: str) -> Callable[[], Client]:
    def make() -> Client:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in variables.items():
                patch.setenv(name, value)
            return Client.from_env()

    return make


@pytest.mark.parametrize(
    "make",
    [
        lambda: Client.twilio(AC, f"{PASSWORD}\n"),
        lambda: Client.twilio(AC, api_secret=PASSWORD),
        lambda: Client.twilio(AC, PASSWORD, timeout=5),  # type: ignore[arg-type]  # the point
        lambda: Client.twilio(AC, PASSWORD, proxy=f"socks5://me:{PROXY}@127.0.0.1:1"),
        lambda: Client.kore("id", f"{PASSWORD}\n"),
        lambda: Client.kore("id", PASSWORD, timeout=5),  # type: ignore[arg-type]
        lambda: Client.kore("id", PASSWORD, webhook_secrets=[f"{PASSWORD}\n"]),
        from_env(TWILIO_ACCOUNT_SID=AC, TWILIO_AUTH_TOKEN=f"{PASSWORD}\n"),
        from_env(
            TWILIO_ACCOUNT_SID=AC,
            TWILIO_AUTH_TOKEN=PASSWORD,
            ASYNCSIM_KORE_CLIENT_ID="id",
            ASYNCSIM_KORE_CLIENT_SECRET=PASSWORD,
        ),
    ],
)
def test_a_client_that_cannot_be_made_shows_no_secret(make: Callable[[], Client]) -> None:
    with pytest.raises((ConfigurationError, TypeError)) as caught:
        make()
    text = shown(caught.value)
    assert [secret for secret in SECRETS if secret in text] == []


def test_hidden_text_equals_its_text_and_shows_nothing() -> None:
    hidden = Redacted("secret")
    assert (hidden, f"{hidden}", hidden.encode()) == ("secret", "secret", b"secret")
    assert repr([hidden, {"a": hidden}, hidden[:3]]) == "['***', {'a': '***'}, '***']"


async def test_a_token_that_is_rejected_shows_no_ticket_secret(server: Server) -> None:
    for settings in ({}, {"ticket_secrets": [PASSWORD]}):
        one = client(server, "twilio", **settings)
        derived = [repr(bytes(secret))[2:20] for secret in one.context.ticket_secrets]
        token = wait_token.sign(
            WaitToken(
                account=account_tag("twilio", AC),
                sid=HS,
                nonce=None,
                prepared_at=0.0,
                deadline=0.0,
                before=Before("new", None),
                goal=Goal(SIMS),
            ),
            b"another secret",
        )
        with pytest.raises(TokenError) as rejected:
            one.resume(token)
        text = shown(rejected.value)
        assert [secret for secret in (*SECRETS, *derived) if secret in text] == []


async def test_a_rejected_rotation_shows_no_secret(server: Server) -> None:
    one = client(server, "twilio")
    with pytest.raises(ConfigurationError) as rejected:
        one.rotate(auth_token=TOKEN, api_key="SK1")
    text = shown(rejected.value)
    assert [secret for secret in SECRETS if secret in text] == []

from __future__ import annotations

import asyncio
import logging
import math
import pickle
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

import pytest

from asyncsim.core.retry import Idempotency
from asyncsim.core.settings import RetryPolicy, Timeout
from asyncsim.errors import (
    AsyncSimError,
    AuthenticationError,
    ClientClosed,
    ConnectionFailed,
    DecodeError,
    NotFound,
    PermissionDenied,
    RateLimited,
    RequestTimeout,
    ServerError,
)
from asyncsim.events import TokenMinted
from asyncsim.http.auth import BasicAuth, ClientCredentials
from asyncsim.http.sender import Sender
from asyncsim.http.transport import Transport
from tests.http.conftest import Bench
from tests.http.server import DROP, HANG, Received, ScriptedResponse, Server

SECRET = "client-secret-that-must-not-be-shown"
TOKEN = "token-that-must-not-be-shown"
# KORE docs, "Authorization": an expired token gets a 403 from a gateway, in its own words.
EXPIRED = ScriptedResponse(
    403,
    {
        "message": "User is not authorized to access this resource with an explicit deny",
        "error": "Invalid or expired token",
    },
)


class Kore:
    """KORE's token endpoint and an API behind it; tokens are numbered."""

    def __init__(self, server: Server) -> None:
        self.life: Any = 3600.0
        self.minted = 0
        self.good: set[str] = set()
        self.mint_responses: list[ScriptedResponse] = []
        """The next responses of the token endpoint, instead of tokens."""
        self.api_responses: list[ScriptedResponse] = []
        """The next responses of the API to a valid token."""
        self.wrong = EXPIRED
        self.forbidden = ""
        """A path that is forbidden to every token."""
        self.forms: list[dict[str, list[str]]] = []
        server.otherwise = self._respond

    async def _respond(self, request: Received) -> ScriptedResponse:
        if request.raw_path == "/token":
            self.forms.append(parse_qs(request.body))
            return self.mint_responses.pop(0) if self.mint_responses else self._mint()
        if request.raw_path == self.forbidden:
            return ScriptedResponse(403, {"message": "not for you"})
        if request.headers.get("Authorization") not in self.good:
            return self.wrong
        return self.api_responses.pop(0) if self.api_responses else ScriptedResponse(200)

    def _mint(self) -> ScriptedResponse:
        self.minted += 1
        token = f"{TOKEN}-{self.minted}"
        self.good.add(f"Bearer {token}")
        return ScriptedResponse(
            200, {"access_token": token, "expires_in": self.life, "token_type": "Bearer"}
        )

    def expire(self) -> None:
        """Expire all tokens minted so far."""
        self.good.clear()


@pytest.fixture
def kore(server: Server) -> Kore:
    return Kore(server)


def login_of(
    bench: Bench, attempts: int = 3, timeout: Timeout | None = None
) -> Callable[[Transport], ClientCredentials]:
    def make(transport: Transport) -> ClientCredentials:
        login = ClientCredentials(
            transport,
            f"{bench.url}/token",
            "apiclient_1",
            SECRET,
            clock=bench.clock,
            retry=RetryPolicy(attempts=attempts, base=0.0),
            timeout=timeout or Timeout(),
            notify=bench.events.append,
            vendor="kore",
        )
        bench.stack.push_async_callback(login.close)
        return login

    return make


@pytest.fixture
async def login(bench: Bench, kore: Kore) -> ClientCredentials:
    return login_of(bench)(bench.open())


@pytest.fixture
async def sender(bench: Bench, kore: Kore) -> Sender:
    return bench.sender(auth=login_of(bench))


async def fetch(bench: Bench, sender: Sender) -> int:
    return (await bench.run(sender.send(bench.request()))).status


# Minting.


async def test_a_token_is_requested_as_documented(login: ClientCredentials, kore: Kore) -> None:
    assert login.current() is None
    await login.obtain(math.inf)
    assert login.current() == (f"Bearer {TOKEN}-1", 1)
    assert kore.forms == [
        {
            "grant_type": ["client_credentials"],
            "client_id": ["apiclient_1"],
            "client_secret": [SECRET],
        }
    ]


async def test_a_hundred_concurrent_callers_share_one_token(
    bench: Bench, sender: Sender, kore: Kore, server: Server
) -> None:
    await bench.run(asyncio.gather(*(sender.send(bench.request()) for _ in range(100))))
    assert kore.minted == 1
    assert len(server.received) == 101
    assert [event.generation for event in bench.seen(TokenMinted)] == [1]


async def test_a_cancelled_caller_does_not_stop_the_mint_for_the_others(
    bench: Bench, login: ClientCredentials, kore: Kore
) -> None:
    first, second = (asyncio.create_task(login.obtain(math.inf)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await bench.run(second)
    assert first.cancelled()
    assert kore.minted == 1
    assert login.current() is not None


async def test_a_mint_whose_callers_were_all_cancelled_finishes(
    bench: Bench, login: ClientCredentials, kore: Kore
) -> None:
    kore.mint_responses = [ScriptedResponse(401)]
    caller = asyncio.create_task(login.obtain(math.inf))
    await asyncio.sleep(0)
    caller.cancel()
    await bench.clock.settle()
    assert len(kore.forms) == 1
    await bench.run(login.obtain(math.inf))
    assert kore.minted == 1


@pytest.mark.parametrize("status", [400, 401, 403])
@pytest.mark.parametrize(
    "body",
    [
        {"error": "unauthorized_client", "error_description": "Invalid client credentials"},
        {"error": "invalid_client", "error_description": "Invalid client credentials"},
    ],
)
async def test_a_client_unknown_to_kore_is_an_authentication_error_at_once(
    bench: Bench, sender: Sender, kore: Kore, status: int, body: dict[str, str]
) -> None:
    kore.mint_responses = [ScriptedResponse(status, body)]
    error = await bench.fails(sender.send(bench.request()), AuthenticationError)
    assert str(error).startswith("fetch a KORE access token: Invalid client credentials")
    assert "check the account SID or client id and its secret" in str(error)
    assert len(kore.forms) == 1
    assert bench.limiter.limit.in_flight == 0


async def test_a_failed_mint_fails_all_its_callers_and_the_next_caller_mints_again(
    bench: Bench, sender: Sender, kore: Kore
) -> None:
    kore.mint_responses = [ScriptedResponse(401)]
    outcomes = await bench.run(
        asyncio.gather(*(sender.send(bench.request()) for _ in range(9)), return_exceptions=True)
    )
    assert {type(one) for one in outcomes} == {AuthenticationError}
    assert len(kore.forms) == 1
    assert await fetch(bench, sender) == 200


@pytest.mark.parametrize("failure", [500, 503, DROP])
async def test_a_mint_that_fails_is_retried(
    bench: Bench, sender: Sender, kore: Kore, failure: int | str
) -> None:
    kore.mint_responses = [ScriptedResponse(failure)] * 2
    assert await fetch(bench, sender) == 200
    assert len(kore.forms) == 3


@pytest.mark.parametrize(
    ("failure", "kind"), [(500, ServerError), (DROP, ConnectionFailed), (404, NotFound)]
)
async def test_a_mint_that_keeps_failing_is_given_up(
    bench: Bench, sender: Sender, kore: Kore, failure: int | str, kind: type[Exception]
) -> None:
    kore.mint_responses = [ScriptedResponse(failure)] * 9
    await bench.fails(sender.send(bench.request()), kind)
    assert len(kore.forms) == (1 if failure == 404 else 3)


async def test_a_429_from_the_token_endpoint_does_not_count_as_an_attempt(
    bench: Bench, sender: Sender, kore: Kore
) -> None:
    kore.mint_responses = [ScriptedResponse(429, headers={"Retry-After": "10"})] * 9
    assert await fetch(bench, sender) == 200
    assert bench.clock.now() >= 90


async def test_429s_from_the_token_endpoint_end_with_the_queue_timeout(
    bench: Bench, kore: Kore
) -> None:
    sender = bench.sender(auth=login_of(bench, timeout=Timeout(queue=100.0)))
    kore.mint_responses = [ScriptedResponse(429, headers={"Retry-After": "30"})] * 99
    error = await bench.fails(sender.send(bench.request()), RateLimited)
    assert error.retry_after == 30.0
    assert 90 <= bench.clock.now() <= 100


async def test_429s_from_the_token_endpoint_without_retry_after_still_pause(
    bench: Bench, kore: Kore
) -> None:
    sender = bench.sender(auth=login_of(bench, timeout=Timeout(queue=2.0)))
    kore.mint_responses = [ScriptedResponse(429)] * 99
    await bench.fails(sender.send(bench.request()), RateLimited)
    assert len(kore.forms) <= 21
    assert bench.clock.now() <= 2.0


@pytest.mark.parametrize("seconds", ["301", "1000000000", "inf"])
async def test_a_retry_after_from_the_token_endpoint_beyond_the_longest_pause_raises_at_once(
    bench: Bench, sender: Sender, kore: Kore, seconds: str
) -> None:
    kore.mint_responses = [ScriptedResponse(429, headers={"Retry-After": seconds})] * 9
    error = await bench.fails(sender.send(bench.request()), RateLimited)
    assert error.retry_after == float(seconds)
    assert (len(kore.forms), bench.clock.now()) == (1, 0.0)


async def test_a_caller_that_cannot_wait_for_a_token_times_out_and_the_others_get_it(
    bench: Bench, login: ClientCredentials, kore: Kore
) -> None:
    kore.mint_responses = [ScriptedResponse(429, headers={"Retry-After": "60"})]
    patient = asyncio.create_task(login.obtain(math.inf))
    error = await bench.fails(login.obtain(10.0), RequestTimeout)
    assert str(error) == "fetch a KORE access token: no token within 10 s; nothing was sent"
    assert bench.clock.now() == 10.0
    await bench.run(patient)
    assert (kore.minted, len(kore.forms)) == (1, 2)


async def test_a_callers_deadline_ends_its_wait_for_a_token(
    bench: Bench, sender: Sender, kore: Kore
) -> None:
    kore.mint_responses = [ScriptedResponse(429, headers={"Retry-After": "60"})] * 9
    await bench.fails(sender.send(bench.request("POST", pause_budget=10.0)), RequestTimeout)
    assert bench.clock.now() == 10.0


@pytest.mark.parametrize(
    "body",
    [
        "no json",
        "<html><body>Bad gateway</body></html>",
        "[]",
        "{}",
        "null",
        '{"expires_in": 1}',
        '{"access_token": null, "expires_in": 1}',
        '{"access_token": "", "expires_in": 1}',
        f'{{"access_token": "{TOKEN} {TOKEN}", "expires_in": 1}}',
        f'{{"access_token": "{TOKEN}\\r\\nX-Evil: 1", "expires_in": 1}}',
        f'{{"access_token": "{TOKEN}\\u0000", "expires_in": 1}}',
        '{"error": "temporarily_unavailable"}',
    ],
)
async def test_an_unusable_token_response_is_retried(
    bench: Bench, sender: Sender, kore: Kore, body: str
) -> None:
    kore.mint_responses = [ScriptedResponse(200, body)] * 2
    assert await fetch(bench, sender) == 200
    kore.mint_responses = [ScriptedResponse(200, body)] * 3
    await bench.clock.advance(3600)
    error = await bench.fails(sender.send(bench.request()), AsyncSimError)
    assert isinstance(error, DecodeError | ServerError)
    assert len(kore.forms) == 6
    assert TOKEN not in str(error)
    assert (error.__cause__, error.__context__) == (None, None)


async def test_an_oauth_error_with_status_200_is_an_authentication_error(
    bench: Bench, sender: Sender, kore: Kore
) -> None:
    body = {"error": "invalid_client", "error_description": f"unknown secret {SECRET}"}
    kore.mint_responses = [ScriptedResponse(200, body)]
    error = await bench.fails(sender.send(bench.request()), AuthenticationError)
    assert str(error).startswith("fetch a KORE access token: unknown secret *** (HTTP 200)")
    assert len(kore.forms) == 1


@pytest.mark.parametrize("life", [None, "soon", 0, -5, 1e300])
async def test_a_token_without_a_usable_lifetime_is_used_until_it_is_rejected(
    bench: Bench, sender: Sender, kore: Kore, life: Any
) -> None:
    kore.life = life
    assert await fetch(bench, sender) == 200
    await bench.clock.advance(1000)
    assert await fetch(bench, sender) == 200
    assert kore.minted == 1
    kore.expire()
    assert await fetch(bench, sender) == 200
    assert kore.minted == 2


async def test_a_token_that_expires_at_once_is_not_minted_in_a_loop(
    bench: Bench, sender: Sender, kore: Kore
) -> None:
    kore.life = 0.001
    assert await fetch(bench, sender) == 200
    assert kore.minted == 1


# Renewal.


async def test_a_token_is_renewed_early_without_delaying_requests(
    bench: Bench, sender: Sender, kore: Kore, server: Server
) -> None:
    await fetch(bench, sender)
    await bench.clock.advance(3539)
    await fetch(bench, sender)
    assert kore.minted == 1
    await bench.clock.advance(1)
    await asyncio.gather(*(sender.send(bench.request()) for _ in range(9)))
    old = [one for one in server.received[-10:] if one.headers.get("Authorization")]
    assert {one.headers["Authorization"] for one in old} == {f"Bearer {TOKEN}-1"}
    await bench.clock.settle()
    assert kore.minted == 2
    await fetch(bench, sender)
    assert server.received[-1].headers["Authorization"] == f"Bearer {TOKEN}-2"


@pytest.mark.parametrize("failure", [500, DROP, 401, 200])
async def test_while_renewal_fails_the_old_token_is_used_until_it_expires(
    bench: Bench, sender: Sender, kore: Kore, failure: int | str
) -> None:
    await fetch(bench, sender)
    await bench.clock.advance(3540)
    kore.mint_responses = [ScriptedResponse(failure, "what?")] * 3
    for _ in range(5):
        assert await fetch(bench, sender) == 200
        await bench.clock.advance(0.5)
    assert kore.minted == 1
    requested = len(kore.forms)
    kore.mint_responses = []
    await bench.clock.advance(5)
    await fetch(bench, sender)
    await bench.clock.settle()
    assert (kore.minted, len(kore.forms)) == (2, requested + 1)


async def test_a_renewal_that_hangs_delays_no_request_before_the_old_token_expires(
    bench: Bench, sender: Sender, kore: Kore
) -> None:
    await fetch(bench, sender)
    await bench.clock.advance(3550)
    kore.mint_responses = [ScriptedResponse(HANG)]
    await sender.send(bench.request())
    await sender.send(bench.request())
    assert len(kore.forms) <= 2


async def test_a_failed_renewal_of_an_expired_token_is_raised(
    bench: Bench, sender: Sender, kore: Kore
) -> None:
    await fetch(bench, sender)
    await bench.clock.advance(3600)
    kore.mint_responses = [ScriptedResponse(401)]
    await bench.fails(sender.send(bench.request()), AuthenticationError)


async def test_a_token_that_expired_in_the_queue_is_replaced_before_sending(
    bench: Bench, kore: Kore, server: Server
) -> None:
    kore.life = 100.0
    sender = bench.sender(auth=login_of(bench))
    await fetch(bench, sender)
    while bench.limiter.try_acquire():
        pass
    waiting = asyncio.create_task(sender.send(bench.request()))
    await bench.clock.advance(200)
    bench.limiter.release()
    await bench.run(waiting)
    assert kore.minted == 2
    assert 403 not in server.statuses


# Rejected tokens.


@pytest.mark.parametrize("status", [401, 403])
async def test_an_expired_token_is_replaced_once_for_all_requests(
    bench: Bench, sender: Sender, kore: Kore, status: int
) -> None:
    await fetch(bench, sender)
    await bench.clock.advance(60)
    kore.expire()
    kore.wrong = ScriptedResponse(status, EXPIRED.body)
    responses = await bench.run(asyncio.gather(*(sender.send(bench.request()) for _ in range(50))))
    assert {response.status for response in responses} == {200}
    assert kore.minted == 2


@pytest.mark.parametrize("idempotency", Idempotency)
async def test_a_request_rejected_for_an_expired_token_is_resent(
    bench: Bench, sender: Sender, kore: Kore, idempotency: Idempotency
) -> None:
    await fetch(bench, sender)
    await bench.clock.advance(60)
    kore.expire()
    response = await bench.run(sender.send(bench.request("POST", idempotency)))
    assert response.status == 200


@pytest.mark.parametrize(("status", "kind"), [(401, AuthenticationError), (403, PermissionDenied)])
async def test_a_rejection_that_a_new_token_does_not_cure_is_raised(
    bench: Bench, sender: Sender, kore: Kore, status: int, kind: type[Exception]
) -> None:
    kore.api_responses = [ScriptedResponse(status, {"code": 20006, "message": "not yours"})] * 3
    error = await bench.fails(sender.send(bench.request()), kind)
    assert "not yours" in str(error)
    assert kore.minted == 2
    await bench.fails(sender.send(bench.request()), kind)
    assert kore.minted == 2


async def test_a_rejection_right_after_a_new_mint_is_final(
    bench: Bench, sender: Sender, kore: Kore, server: Server
) -> None:
    await fetch(bench, sender)
    await bench.clock.advance(60)
    kore.api_responses = [EXPIRED] * 9
    await bench.fails(sender.send(bench.request()), PermissionDenied)
    assert kore.minted == 2
    assert server.statuses[-4:] == [200, 403, 200, 403]
    await bench.fails(sender.send(bench.request()), PermissionDenied)
    assert kore.minted == 2


async def test_many_forbidden_requests_cost_a_single_mint(
    bench: Bench, sender: Sender, kore: Kore
) -> None:
    await fetch(bench, sender)
    await bench.clock.advance(60)
    kore.api_responses = [ScriptedResponse(403)] * 100
    outcomes = await bench.run(
        asyncio.gather(*(sender.send(bench.request()) for _ in range(50)), return_exceptions=True)
    )
    assert {type(one) for one in outcomes} == {PermissionDenied}
    assert kore.minted == 2


async def test_an_error_response_also_proves_a_token_valid(
    bench: Bench, sender: Sender, kore: Kore
) -> None:
    kore.api_responses = [ScriptedResponse(404)]
    await bench.fails(sender.send(bench.request()), NotFound)
    await bench.clock.advance(60)
    kore.expire()
    assert await fetch(bench, sender) == 200


async def test_a_token_that_never_worked_is_replaced_after_five_seconds(
    bench: Bench, sender: Sender, kore: Kore
) -> None:
    kore.api_responses = [ScriptedResponse(403)] * 2
    await bench.fails(sender.send(bench.request()), PermissionDenied)
    kore.expire()
    await bench.clock.advance(4)
    await bench.fails(sender.send(bench.request()), PermissionDenied)
    await bench.clock.advance(1)
    assert await fetch(bench, sender) == 200
    assert kore.minted == 3


async def test_a_rejection_while_other_requests_are_accepted_costs_no_second_mint(
    bench: Bench, sender: Sender, kore: Kore, server: Server
) -> None:
    await fetch(bench, sender)
    kore.forbidden = "/v1/Sims/HS9"
    await bench.fails(sender.send(bench.request(path=kore.forbidden)), PermissionDenied)
    assert kore.minted == 2  # it might have been the token
    await fetch(bench, sender)
    rejected = asyncio.create_task(sender.send(bench.request(path=kore.forbidden)))
    await server.arrival()
    await bench.clock.settle()
    await bench.clock.advance(0.25)
    assert not rejected.done()
    assert await fetch(bench, sender) == 200
    await bench.fails(rejected, PermissionDenied)
    assert kore.minted == 2


# Two processes, one API client, and a vendor that allows one active token.


async def test_a_token_revoked_moments_after_its_mint_is_replaced(
    bench: Bench, sender: Sender, kore: Kore
) -> None:
    await fetch(bench, sender)
    for minted in (2, 3, 4):
        kore.expire()
        assert await fetch(bench, sender) == 200
        assert kore.minted == minted


async def test_the_pauses_before_new_tokens_grow(bench: Bench, sender: Sender, kore: Kore) -> None:
    await fetch(bench, sender)
    pauses = []
    for _ in range(4):
        kore.expire()
        began = bench.clock.now()
        await fetch(bench, sender)
        pauses.append(bench.clock.now() - began)
    assert pauses[0] == 0.0
    assert 0.5 <= pauses[1] <= 1.25
    assert 1.0 <= pauses[2] <= 2.25
    assert 2.0 <= pauses[3] <= 4.25


async def test_the_fifth_token_revoked_within_a_minute_names_a_second_process(
    bench: Bench, sender: Sender, kore: Kore
) -> None:
    await fetch(bench, sender)
    for _ in range(4):
        kore.expire()
        await fetch(bench, sender)
    kore.expire()
    error = await bench.fails(sender.send(bench.request()), AuthenticationError)
    assert "another process probably logs in with the same client_id" in str(error)
    assert "give each process its own API client" in str(error)
    assert "check the account SID" not in str(error)
    assert kore.minted == 5
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
    await bench.clock.advance(60)
    assert await fetch(bench, sender) == 200


async def test_all_requests_rejected_for_a_revoked_token_share_one_pause_and_one_mint(
    bench: Bench, sender: Sender, kore: Kore
) -> None:
    await fetch(bench, sender)
    kore.expire()
    await fetch(bench, sender)
    kore.expire()
    responses = await bench.run(asyncio.gather(*(sender.send(bench.request()) for _ in range(50))))
    assert {response.status for response in responses} == {200}
    assert kore.minted == 3


async def test_a_caller_that_cannot_wait_for_the_pause_times_out(
    bench: Bench, sender: Sender, kore: Kore
) -> None:
    await fetch(bench, sender)
    for _ in range(3):
        kore.expire()
        await fetch(bench, sender)
    kore.expire()
    await bench.fails(sender.send(bench.request(pause_budget=0.5)), RequestTimeout)
    assert await fetch(bench, sender) == 200


async def test_closing_during_the_pause_before_a_mint_raises_client_closed(
    bench: Bench, sender: Sender, kore: Kore
) -> None:
    await fetch(bench, sender)
    kore.expire()
    await fetch(bench, sender)
    kore.expire()
    caller = asyncio.create_task(sender.send(bench.request()))
    await bench.clock.settle()
    await bench.clock.advance(0.25)
    await sender._auth.close()
    with pytest.raises(ClientClosed):
        await caller


# Closing.


async def test_closing_during_a_mint_raises_client_closed(
    bench: Bench, login: ClientCredentials, kore: Kore, server: Server
) -> None:
    kore.mint_responses = [ScriptedResponse(HANG)]
    caller = asyncio.create_task(login.obtain(math.inf))
    await server.arrival()
    await login.close()
    await login.close()
    with pytest.raises(ClientClosed, match="the client was closed"):
        await caller


# Secrets.


async def test_logs_reprs_and_events_show_no_secret(
    bench: Bench, sender: Sender, kore: Kore, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    asyncio.get_running_loop().set_debug(True)
    await fetch(bench, sender)
    await bench.clock.advance(60)
    kore.expire()
    kore.mint_responses = [
        ScriptedResponse(503),
        *[ScriptedResponse(200, f'{{"access_token": "{TOKEN}"')] * 2,
    ]
    error = await bench.fails(sender.send(bench.request()), DecodeError)
    login = sender._auth
    assert isinstance(login, ClientCredentials)
    shown = [caplog.text, repr(error), str(error), repr(login), str(login), repr(login._token)]
    for text in (*shown, *map(repr, bench.events)):
        assert SECRET not in text
        assert TOKEN not in text


async def test_basic_auth_hides_its_password_and_never_logs_in_again() -> None:
    login = BasicAuth("AC1", "pässword:with a colon")
    assert login.current() == ("Basic QUMxOnDDpHNzd29yZDp3aXRoIGEgY29sb24=", 0)
    assert "QUMx" not in repr(login)
    await login.obtain(math.inf)
    login.accepted(0, 0.0, False)
    assert not await login.rejected(0, AuthenticationError(401), math.inf)
    await login.close()


# Rotation.


async def test_after_a_rotation_requests_log_in_with_a_token_of_the_new_secret(
    bench: Bench, sender: Sender, kore: Kore
) -> None:
    assert await fetch(bench, sender) == 200
    sender.rotate("apiclient_1", "new secret")
    assert await fetch(bench, sender) == 200
    assert [form["client_secret"] for form in kore.forms] == [[SECRET], ["new secret"]]
    sender.rotate("apiclient_1", "new secret")
    assert await fetch(bench, sender) == 200
    assert kore.minted == 2, "the same secret again is no reason for another token"


async def test_a_secret_rejected_while_it_is_rotated_fails_no_request(
    bench: Bench, sender: Sender, kore: Kore, server: Server
) -> None:
    respond = kore._respond

    async def rotate_meanwhile(request: Received) -> ScriptedResponse:
        response = await respond(request)
        if request.raw_path == "/token" and len(kore.forms) == 1:
            sender.rotate("apiclient_1", "new secret")
        return response

    server.otherwise = rotate_meanwhile
    kore.mint_responses = [ScriptedResponse(401, {"error": "unauthorized_client"})]
    assert await fetch(bench, sender) == 200
    assert [form["client_secret"] for form in kore.forms] == [[SECRET], ["new secret"]]


async def test_a_request_rejected_with_a_token_of_the_old_secret_is_retried(
    bench: Bench, sender: Sender, kore: Kore, server: Server
) -> None:
    respond = kore._respond

    async def rotate_meanwhile(request: Received) -> ScriptedResponse:
        if request.raw_path != "/token" and kore.minted == 1:
            sender.rotate("apiclient_1", "new secret")
            kore.expire()
        return await respond(request)

    server.otherwise = rotate_meanwhile
    assert await fetch(bench, sender) == 200
    assert kore.minted == 2

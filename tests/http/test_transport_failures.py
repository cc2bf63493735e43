"""Failures of the transport that no server on loopback can cause on demand."""

from __future__ import annotations

import ssl
from collections.abc import Iterator

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey
from aioresponses import aioresponses
from yarl import URL

from asyncsim.clock import ManualClock
from asyncsim.core.settings import Timeout
from asyncsim.errors import ConnectionFailed, RequestTimeout, TransportError
from asyncsim.http.transport import Response, Transport

SIMS = URL("https://supersim.example.com/v1/Sims")
WHERE = ConnectionKey("supersim.example.com", 443, True, True, None, None, None)


@pytest.fixture
def mocked() -> Iterator[aioresponses]:
    with aioresponses() as mocked:
        yield mocked


async def exchange(clock: ManualClock) -> Response:
    transport = Transport(None, Timeout(request=7, connect=3), clock)
    try:
        return await transport.exchange("GET", SIMS, {}, None, "list Sim")
    finally:
        await transport.close()


async def test_a_certificate_that_does_not_verify_is_named_and_nothing_was_sent(
    mocked: aioresponses, clock: ManualClock
) -> None:
    unverified = ssl.SSLCertVerificationError("self-signed certificate")
    mocked.get(SIMS, exception=aiohttp.ClientConnectorCertificateError(WHERE, unverified))
    with pytest.raises(
        ConnectionFailed, match=r"supersim\.example\.com:443.*self-signed"
    ) as caught:
        await exchange(clock)
    assert not caught.value.sent


async def test_an_unresolvable_name_is_named_and_nothing_was_sent(
    mocked: aioresponses, clock: ManualClock
) -> None:
    unknown = OSError(-2, "Name or service not known")
    mocked.get(SIMS, exception=aiohttp.ClientConnectorDNSError(WHERE, unknown))
    with pytest.raises(ConnectionFailed, match="Name or service not known") as caught:
        await exchange(clock)
    assert not caught.value.sent


async def test_a_connection_timeout_means_nothing_was_sent(
    mocked: aioresponses, clock: ManualClock
) -> None:
    mocked.get(SIMS, exception=aiohttp.ConnectionTimeoutError())
    with pytest.raises(RequestTimeout, match="no connection within 3 s") as caught:
        await exchange(clock)
    assert not caught.value.sent


@pytest.mark.parametrize(
    "lost",
    [
        aiohttp.ServerDisconnectedError(),
        aiohttp.ClientPayloadError("not enough data"),
        aiohttp.SocketTimeoutError(),
        ConnectionResetError(104, "reset by peer"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_after_a_later_failure_the_request_may_have_been_carried_out(
    mocked: aioresponses, clock: ManualClock, lost: Exception
) -> None:
    mocked.get(SIMS, exception=lost)
    with pytest.raises(TransportError, match="list Sim") as caught:
        await exchange(clock)
    assert caught.value.sent

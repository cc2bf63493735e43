"""Certificates of one's own authority."""

from __future__ import annotations

import os
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import trustme

from asyncsim import ConfigurationError, ConnectionFailed
from tests.http.raw import Raw, raw_server, response
from tests.http.test_proxies import SIM, client, fetch


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
async def server(authority: trustme.CA) -> AsyncIterator[Raw]:
    """A server whose certificate only our own authority has signed."""
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(tls)

    async def handle(head: bytes, writer: object) -> bool:
        assert hasattr(writer, "write")
        writer.write(response(SIM, "Content-Type: application/json"))
        return True

    async with raw_server(handle, tls) as raw:
        yield raw


def url(raw: Raw) -> str:
    return f"https://127.0.0.1:{raw.port}"


async def test_a_certificate_of_ones_own_authority_is_accepted_with_ssl(
    authority: trustme.CA, server: Raw
) -> None:
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    assert await fetch(client(url(server), ssl=trusting)) == "active"


async def test_without_ssl_it_is_rejected_and_nothing_is_sent(server: Raw) -> None:
    with pytest.raises(ConnectionFailed, match="certificate verify failed") as caught:
        await fetch(client(url(server)))
    assert not caught.value.sent
    assert server.heads == []


async def test_ones_own_session_has_its_own_tls_settings() -> None:
    async with aiohttp.ClientSession() as session:
        with pytest.raises(ConfigurationError, match=r"TCPConnector\(ssl=\.\.\.\)"):
            client(session=session, ssl=ssl.create_default_context())


def test_ssl_is_a_context() -> None:
    with pytest.raises(TypeError, match="SSLContext"):
        client(ssl=False)


def test_the_file_in_ssl_cert_file_is_trusted(authority: trustme.CA, tmp_path: Path) -> None:
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    # aiohttp makes its context when it is imported, so this takes a process of its own.
    code = "import aiohttp.connector as c; print(c._SSL_CONTEXT_VERIFIED.get_ca_certs())"
    ended = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "SSL_CERT_FILE": str(bundle)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "trustme" in ended.stdout

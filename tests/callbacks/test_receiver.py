"""Life cycle of a receiver: public URL, port, start and stop."""

import asyncio
import socket
import subprocess
import sys
from collections.abc import AsyncIterator

import pytest

from asyncsim.callbacks import CallbackReceiver
from asyncsim.callbacks.receiver import checked_url, local_url, without_login
from asyncsim.clock import ManualClock
from asyncsim.errors import ConfigurationError, ReceiverError
from asyncsim.vendors import KORE
from tests.callbacks import senders
from tests.callbacks.conftest import register
from tests.callbacks.senders import SIM


@pytest.fixture
async def open_receiver(clock: ManualClock) -> AsyncIterator[CallbackReceiver]:
    async with CallbackReceiver(clock=clock) as receiver:
        yield receiver


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com",
        "https://example.com:8443/a%20b",
        "http://user:word@[::1]:80/hooks",
    ],
)
def test_a_public_url_is_kept_as_given_but_for_trailing_slashes(url: str) -> None:
    assert CallbackReceiver(url).public_url == url
    assert CallbackReceiver(url + "/").public_url == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.com",
        "ftp://example.com",
        "https://",
        "https:///hooks",
        "https://user:word@/hooks",
        "https://example.com?",
        "https://example.com/?word=1",
        "https://example.com/#word",
        "https://example.com/a word",
        "https://éxample.com/word",
        "https://example.com:word/",
        "https://example.com:0/word",
        "https://[word/",
    ],
)
def test_an_unusable_public_url_is_rejected_and_not_quoted(url: str) -> None:
    with pytest.raises(ConfigurationError, match="public_url") as caught:
        checked_url(url)
    assert "word" not in str(caught.value)


def test_the_local_url_is_formed_for_ipv4_and_ipv6() -> None:
    assert local_url("127.0.0.1", 80) == "http://127.0.0.1:80"
    assert local_url("::1", 80) == "http://[::1]:80"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", ""])
def test_the_local_url_of_a_wildcard_address_is_an_error(host: str) -> None:
    with pytest.raises(ReceiverError, match="public_url"):
        local_url(host, 80)


def test_a_url_is_shown_without_user_and_password() -> None:
    assert without_login("https://user:pa@ss@example.com:1/a@b") == "https://example.com:1/a@b"
    assert without_login("https://example.com") == "https://example.com"


async def test_the_port_opens_with_the_first_start_and_closes_with_the_last_stop() -> None:
    receiver = CallbackReceiver()
    with pytest.raises(ReceiverError, match="start"):
        _ = receiver.public_url
    with pytest.raises(ReceiverError, match="start"):
        _ = receiver.port
    await asyncio.gather(receiver.start(), receiver.start())
    port = receiver.port
    assert receiver.public_url == f"http://127.0.0.1:{port}"
    await receiver.stop()
    assert receiver.port == port
    await receiver.stop()
    await receiver.stop()
    assert "closed" in repr(receiver)
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


async def test_a_receiver_in_use_in_another_loop_is_rejected() -> None:
    receiver = CallbackReceiver("https://example.com", port=None)
    async with receiver:
        with pytest.raises(ConfigurationError, match="in use in another event loop"):
            await asyncio.to_thread(asyncio.run, receiver.start())
    await asyncio.to_thread(asyncio.run, receiver.start())  # now it is free


def test_a_receiver_opens_its_port_after_a_loop_that_ended_without_a_stop() -> None:
    receiver = CallbackReceiver("https://example.com", port=None)
    asyncio.run(receiver.start())
    receiver._wanted_port = 0

    async def listens() -> int:
        async with receiver:
            return receiver.port

    assert asyncio.run(listens()) > 0


async def test_a_restarted_receiver_recognises_its_earlier_tickets(
    clock: ManualClock,
) -> None:
    receiver = CallbackReceiver("https://example.com", clock=clock)
    async with receiver:
        sent = senders.kore(register(receiver, KORE).issue_url("supersim", SIM)[0])
    async with receiver:
        path = sent.url.removeprefix("https://example.com")
        assert await sent.post(to=f"http://127.0.0.1:{receiver.port}{path}") == 204
    assert receiver.counts.accepted == 1
    assert receiver.counts.unconfirmed == 0


async def test_an_error_for_a_port_in_use_says_what_to_do(
    open_receiver: CallbackReceiver,
) -> None:
    second = CallbackReceiver(port=open_receiver.port)
    with pytest.raises(ReceiverError, match=rf"127\.0\.0\.1:{open_receiver.port} .*port=0"):
        await second.start()
    await second.stop()
    assert "closed" in repr(second)


async def test_an_address_of_another_machine_is_an_error() -> None:
    with pytest.raises(ReceiverError, match=r"192\.0\.2\.1"):
        await CallbackReceiver(host="192.0.2.1").start()


async def test_after_a_failed_start_there_is_nothing_to_stop(
    open_receiver: CallbackReceiver,
) -> None:
    port = open_receiver.port
    second = CallbackReceiver(port=port)
    with pytest.raises(ReceiverError):
        await second.start()
    await open_receiver.stop()
    async with second:
        assert second.port == port
    await open_receiver.start()


async def test_a_wildcard_address_needs_a_public_url() -> None:
    with pytest.raises(ReceiverError, match="public_url"):
        await CallbackReceiver(host="0.0.0.0").start()


async def test_a_mounted_receiver_opens_no_port_and_needs_a_public_url(clock: ManualClock) -> None:
    mounted = CallbackReceiver("https://example.com/hooks", clock=clock)
    mounted.app()
    async with mounted:
        with pytest.raises(ReceiverError):
            _ = mounted.port
    without_url = CallbackReceiver(clock=clock)
    without_url.app()
    with pytest.raises(ReceiverError, match="public_url"):
        await without_url.start()


async def test_a_receiver_for_another_framework_opens_no_port(clock: ManualClock) -> None:
    async with CallbackReceiver("https://example.com", port=None, clock=clock) as receiver:
        sent = senders.kore(register(receiver, KORE).issue_url("supersim", SIM)[0])
        assert sent.received_by(receiver) == 204
        with pytest.raises(ReceiverError):
            _ = receiver.port
    with pytest.raises(ReceiverError, match="public_url"):
        await CallbackReceiver(port=None).start()


def test_importing_the_receiver_does_not_load_a_web_server() -> None:
    code = (
        "import sys; from asyncsim.callbacks import CallbackReceiver as R; R();"
        "sys.exit('aiohttp.web' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

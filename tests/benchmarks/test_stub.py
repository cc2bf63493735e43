"""The vendor stub, tested by its bytes."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from asyncsim import Client, Hosts
from asyncsim.models.supersim.sims import SimUpdate
from benchmarks.simulated.loop import simulate
from benchmarks.stub.account import PAGE, Account, iccid
from benchmarks.stub.protocol import Connection, canned
from benchmarks.stub.responses import ACCOUNT, sid
from benchmarks.stub.vendor import Terms, Vendor, changing


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class RecordingTransport(asyncio.Transport):
    def __init__(self) -> None:
        super().__init__()
        self.wrote: list[bytes] = []

    def write(self, data: Any) -> None:
        self.wrote.append(bytes(data))


def sims_of(page: bytes) -> list[tuple[str, str]]:
    return [(one["sid"], one["status"]) for one in json.loads(page)["sims"]]


def test_an_update_settles_after_its_time() -> None:
    clock = Clock()
    account = Account(3, lambda number: 10.0 + number, clock)
    assert json.loads(account.update(1))["status"] == "scheduled"
    assert sims_of(account.page(0, pending=True, base="x")) == [(sid(1), "scheduled")]
    clock.now = 11.0
    assert json.loads(account.fetch(1))["status"] == "active"
    assert sims_of(account.page(0, pending=True, base="x")) == []
    assert sims_of(account.page(0, pending=False, base="x")) == [
        (sid(0), "new"),
        (sid(1), "active"),
        (sid(2), "new"),
    ]


def test_a_sim_is_found_by_its_iccid() -> None:
    account = Account(3, lambda number: 1.0, lambda: 0.0)
    assert sims_of(account.by_iccid(iccid(2))) == [(sid(2), "new")]


def test_a_list_ends_with_its_last_page() -> None:
    account = Account(PAGE + 1, lambda number: 1.0, Clock())
    first, last = (account.page(one, pending=False, base="http://h/s?a=b") for one in (0, 1))
    assert json.loads(first)["meta"]["next_page_url"] == "http://h/s?a=b&Page=1"
    assert len(sims_of(first)) == PAGE
    assert json.loads(last)["meta"]["next_page_url"] is None
    assert sims_of(last) == [(sid(PAGE), "new")]


@pytest.mark.parametrize("number", [0, 1, 123_456, 999_999])
def test_iccids_end_in_their_luhn_digit(number: int) -> None:
    digits = [int(one) for one in reversed(iccid(number))]
    doubled = [one * 2 // 10 + one * 2 % 10 for one in digits[1::2]]
    assert (sum(digits[::2]) + sum(doubled)) % 10 == 0


def test_every_client_gets_the_same_latencies() -> None:
    terms = Terms(sims=1, settles=20.0, sigma=0.8)
    assert [changing(terms)(one) for one in range(9)] == [changing(terms)(one) for one in range(9)]
    assert changing(Terms(sims=1, settles=2.0))(7) == 2.0


async def test_split_and_pipelined_requests_get_their_responses() -> None:
    transport, protocol = RecordingTransport(), Connection(canned)
    protocol.connection_made(transport)
    post = f"POST /v1/Sims/{sid(1)} HTTP/1.1\r\nContent-Length: 3\r\n\r\na=b".encode()
    get = f"GET /v1/Sims/{sid(2)} HTTP/1.1\r\n\r\n".encode()
    protocol.data_received(post[:-1])
    assert not transport.wrote
    protocol.data_received(post[-1:] + get + get)
    assert [one.split(b" ")[1] for one in transport.wrote] == [b"202", b"200", b"200"]
    assert [sid(1).encode() in one for one in transport.wrote] == [True, False, False]


def test_requests_beyond_the_concurrency_limit_are_throttled_and_counted() -> None:
    vendor, transport = Vendor(Terms(sims=9, takes=10.0, concurrency=2)), RecordingTransport()

    async def send_all() -> None:
        for number in range(3):
            vendor(f"GET /v1/Sims/{sid(number)} HTTP/1.1\r\n\r\n".encode(), transport.write)
        await asyncio.sleep(11.0)

    simulate(send_all())
    assert sorted(one.split(b" ")[1] for one in transport.wrote) == [b"200", b"200", b"429"]
    assert vendor.counts == {"GET": 2, "POST": 0, "throttled": 1}


async def test_the_client_understands_the_vendor() -> None:
    vendor = Vendor(Terms(sims=1500, settles=0.0))
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(vendor), "127.0.0.1", 0)
    async with server:
        hosts = Hosts(supersim=f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        async with Client.twilio(ACCOUNT, "secret", hosts=hosts) as client:
            sims = client.supersim.sims
            active: SimUpdate = {"status": "active"}
            changes = {sid(number): active for number in range(20)}
            async for outcome in sims.update_many(changes):
                assert outcome.ok
            listed = [sim.sid async for sim in sims.list(page_size=1000)]
    assert listed == [sid(number) for number in range(1500)]
    assert vendor.counts["POST"] == 20

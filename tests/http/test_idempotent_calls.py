"""Client calls that may be resent, and what the second response means."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from asyncsim import Client, Hosts, RetryPolicy
from asyncsim.errors import BadRequest, Conflict, NotFound
from tests.http.server import DROP, ScriptedResponse, Server

HS, DE = "HS" + "1" * 32, "DE" + "1" * 32
GONE = ScriptedResponse(404, {"code": 20404, "message": "not found", "status": 404})
YOURS = ScriptedResponse(400, {"code": 83003, "message": f"{HS} is already yours", "status": 400})
SIM = {"sid": HS, "status": "new", "iccid": "8988307000000000000"}


@pytest.fixture
async def client(server: Server) -> AsyncIterator[Client]:
    hosts = Hosts(wireless=server.url, supersim=server.url)
    async with Client.twilio("AC1", "x", hosts=hosts, retry=RetryPolicy(base=0)) as one:
        yield one


def page(*rows: object) -> ScriptedResponse:
    return ScriptedResponse(200, {"sims": rows, "meta": {"key": "sims", "next_page_url": None}})


@pytest.mark.parametrize("lost", [DROP, 500])
async def test_a_delete_whose_response_was_lost_succeeds_when_the_sim_is_gone(
    client: Client, server: Server, lost: int | str
) -> None:
    server.plan(lost, GONE)
    await client.wireless.sims.delete(DE)
    assert [one.method for one in server.received] == ["DELETE", "DELETE"]


@pytest.mark.parametrize("before", [[], [429]])
async def test_a_delete_of_a_missing_sim_fails(
    client: Client, server: Server, before: list[int]
) -> None:
    server.plan(*before, GONE)
    with pytest.raises(NotFound, match=f"delete Sim {DE}"):
        await client.wireless.sims.delete(DE)


async def test_a_rejected_delete_is_a_conflict(client: Client, server: Server) -> None:
    server.plan(ScriptedResponse(409, {"code": 33010, "message": "updating", "status": 409}))
    with pytest.raises(Conflict):
        await client.wireless.sims.delete(DE)


@pytest.mark.parametrize("before", [[], [DROP], [503, 429]])
async def test_registering_a_sim_again_returns_it(
    client: Client, server: Server, before: list[int | str]
) -> None:
    server.plan(*before, YOURS, page(SIM))
    sim = await client.supersim.sims.register(iccid=SIM["iccid"], registration_code="H" * 10)
    assert sim.sid == HS
    assert server.received[-1].raw_path == f"/v1/Sims?Iccid={SIM['iccid']}"


async def test_a_rejected_registration_is_a_bad_request(client: Client, server: Server) -> None:
    server.plan(ScriptedResponse(400, {"code": 83002, "message": "not registrable", "status": 400}))
    with pytest.raises(BadRequest, match="83002"):
        await client.supersim.sims.register(iccid="1", registration_code="H" * 10)

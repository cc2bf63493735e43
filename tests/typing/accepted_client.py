"""Valid uses of the client. Both type checkers must accept every line."""

from __future__ import annotations

from typing import assert_type

import asyncsim
from asyncsim import Client, Outcome, Page, Pager
from asyncsim.supersim import Fleet, Sim as SuperSim
from asyncsim.wireless import Sim as WirelessSim


def clients() -> None:
    assert_type(Client.twilio("AC1", "token"), Client)
    Client.twilio("AC1", api_key="SK1", api_secret="secret", timeout=asyncsim.Timeout(request=2.0))
    Client.kore("client", "secret", hosts=asyncsim.Hosts(token="http://127.0.0.1/token"))
    Client.from_env(vendor="kore", receiver=asyncsim.CallbackReceiver(), observers=[print])


async def supersim(client: Client) -> None:
    sims = client.supersim.sims
    assert_type(await sims.fetch("HS1"), SuperSim)
    assert_type(await sims.register(iccid="8988", registration_code="H3LL0W0RLD"), SuperSim)
    assert_type(await sims.update("HS1", status="active", fleet="my-fleet"), SuperSim)
    assert_type(await sims.await_transition("HS1", until="active", timeout=300), SuperSim)
    assert_type(await sims.update_and_wait("HS1", status="active", timeout=300), SuperSim)
    await sims.await_transition(await sims.fetch("HS1"), until={"active", "ready"})
    assert_type(await client.supersim.fleets.fetch("my-fleet"), Fleet)


async def waits_of_other_processes(client: Client, token: str) -> None:
    supersim, wireless = client.supersim.sims, client.wireless.sims
    prepared = await supersim.prepare_update("HS1", status="active", timeout=300)
    assert_type(prepared, asyncsim.PreparedUpdate[SuperSim])
    assert_type(prepared.token, str)
    assert_type(await prepared.send(), SuperSim)
    assert_type(await prepared, SuperSim)
    async for sim in prepared:
        assert_type(sim, SuperSim)
    started = await wireless.start_update("DE1", status="active", until="active")
    assert_type(await started, WirelessSim)
    assert_type(await client.resume(token), SuperSim | WirelessSim)
    async for seen in client.resume(token):
        assert_type(seen, SuperSim | WirelessSim)
    waits: list[asyncsim.Wait[SuperSim]] = [prepared]
    print(waits[0].deadline.isoformat(), waits[0].sid)
    try:
        await prepared
    except asyncsim.PerhapsNeverSent as unsent:
        assert_type(unsent.status_before, str | None)
    except asyncsim.TokenError as unusable:
        print(unusable)


def rotations(client: Client) -> None:
    client.rotate(auth_token="new")
    client.rotate(api_key="SK1", api_secret="new", auth_token=None)
    client.rotate(client_secret="new", webhook_secrets=["new", "old"])
    Client.twilio("AC1", "token", ticket_secrets=["new", "old"])


async def lists(client: Client) -> None:
    listed = client.supersim.sims.list(status="new", page_size=1000)
    assert_type(listed, Pager[SuperSim])
    assert_type(await listed, Page[SuperSim])
    async for sim in listed:
        assert_type(sim, SuperSim)
    async for page in listed.pages():
        assert_type(page.items, tuple[SuperSim, ...])


async def many(client: Client) -> None:
    async for outcome in client.supersim.sims.update_many({"HS1": {"status": "active"}}):
        assert_type(outcome, Outcome[SuperSim])
        assert_type(outcome.sim, SuperSim | None)


async def wireless(client: Client) -> None:
    sims = client.wireless.sims
    assert_type(await sims.update("DE1", status="suspended", rate_plan=None), WirelessSim)
    assert_type(await sims.update_and_wait("DE1", reset_status="resetting"), WirelessSim)
    await sims.delete("DE1")
    async for outcome in sims.update_many([("DE1", {"status": "ready"})], window=10, timeout=60):
        assert_type(outcome.error, Exception | None)


async def errors(client: Client) -> None:
    try:
        await client.wireless.sims.fetch("DE1")
    except asyncsim.NotFound as error:
        assert_type(error.code, int | None)
    except asyncsim.TransitionFailed as failed:
        print(failed.requested, failed.error_message)

"""Invalid uses of the client. Both type checkers must reject each marked line, and no other."""

from __future__ import annotations

import asyncsim
from asyncsim import Client


async def supersim(client: Client) -> None:
    sims = client.supersim.sims
    await sims.update("HS1", statsu="active")  # E: misspelt keyword
    await sims.update("HS1", status="activ")  # E: misspelt status
    await sims.update("HS1", status="scheduled")  # E: only the vendor sets this status
    await sims.update("HS1", rate_plan="WP1")  # E: of the other product
    await sims.update(sid="HS1", status="active")  # E: the SID is positional
    await sims.update(status="active")  # E: the SID is required
    await sims.register(iccid="8988")  # E: the code is required
    await sims.register("8988", "H3LL0W0RLD")  # E: keywords only
    await sims.delete("HS1")  # E: Super SIM has no delete
    await sims.update_and_wait("HS1", status="active", timeuot=5)  # E: misspelt keyword
    await sims.update_and_wait("HS1", status="active", timeout="5")  # E: seconds are a number
    await sims.prepare_update("HS1", statsu="active")  # E: misspelt keyword
    await sims.prepare_update("HS1", status="active", timeout="5")  # E: seconds are a number
    await sims.start_update("HS1", rate_plan="WP1")  # E: of the other product
    await sims.prepare_update("HS1", status="active").send()  # E: it is awaited first
    await client.resume("w1-...").send()  # E: a resumed wait never sends
    await sims.await_transition("HS1", until="suspended")  # E: of the other product
    await sims.await_transition("HS1", status="active")  # E: the target is `until`
    sims.list(status="gone")  # E: unknown status
    sims.list(Status="new")  # E: keywords are snake_case
    sims.update_many({"HS1": {"status": "gone"}})  # E: unknown status
    sims.update_many({"HS1": {"statsu": "active"}})  # E: misspelt keyword
    sims.update_many(["HS1"])  # E: no change is given
    for sim in sims.list():  # E: a list is asynchronous
        print(sim)


async def wireless(client: Client) -> None:
    sims = client.wireless.sims
    await sims.update("DE1", fleet="HF1")  # E: of the other product
    await sims.update("DE1", status="canceled")  # E: only the vendor sets this status
    await sims.register(iccid="8988", registration_code="A")  # E: Super SIM's verb
    print((await sims.fetch("DE1")).fleet_sid)  # E: of the other product
    await client.wirless.sims.fetch("DE1")  # E: misspelt namespace


def clients() -> None:
    Client.twilio()  # E: the account is required
    Client.twilio("AC1", "token", "extra")  # E: keywords only
    Client.twilio("AC1", "token", timeout=30.0)  # E: a Timeout has three parts
    Client.kore("client")  # E: the secret is required
    Client.kore("client", "secret", auth_token="x")  # E: of the other vendor
    Client.kore("client", "secret").rotate(token="new")  # E: no such credential
    asyncsim.Timeout(requests=2.0)  # E: misspelt setting
    asyncsim.CallbackReceiver(port="8080")  # E: a number

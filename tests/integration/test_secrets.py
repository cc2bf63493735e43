"""KORE's webhook secrets, from creation to a signature that a receiver accepts."""

from __future__ import annotations

from typing import Any

import pytest

from asyncsim import CallbackReceiver
from asyncsim.emulator import Behaviour
from tests.integration.conftest import OpenHarness
from tests.integration.harness import Api, Harness

KORE = Api("kore", "supersim")


@pytest.fixture(params=["active", "pending"])
async def harness(request: pytest.FixtureRequest, start_harness: OpenHarness) -> Harness:
    """The documents do not say whether a new secret signs at once, so both are tested."""
    behaviour = Behaviour(new_secret_status=request.param)
    return await start_harness(KORE, world={"behaviour": behaviour})


async def change(harness: Harness, secrets: list[str], sid: str) -> Any:
    """Change a SIM with a client that knows these secrets; return its receiver's counts."""
    receiver = CallbackReceiver(clock=harness.clock)
    async with harness.emulator.client(
        "kore", receiver=receiver, webhook_secrets=secrets
    ) as client:
        sim = await harness.complete(client.supersim.sims.update_and_wait(sid, status="active"))
        assert sim.status == "active"
        await harness.clock.advance(60)  # time for a redelivery of a rejected callback
    return receiver.counts


async def assert_verified(harness: Harness, secrets: list[str], sid: str) -> None:
    """Change a SIM and assert that its callback was verified."""
    counts = await change(harness, secrets, sid)
    assert (counts.accepted, counts.unconfirmed, counts.refused) == (1, 0, 0)


async def test_a_new_secret_signs_once_it_is_active(harness: Harness) -> None:
    secrets = harness.client.webhooks.secrets
    created = await secrets.create(name="second")
    assert created.secret
    activated = await secrets.update(created.id, status="active", name="renamed")
    assert (activated.name, activated.status, activated.secret) == ("renamed", "active", None)
    counts = await change(harness, [created.secret], harness.sid)
    assert (counts.accepted, counts.unconfirmed, counts.refused) == (1, 0, 0)


async def test_a_client_with_only_the_old_secret_rejects_callbacks_and_the_wait_still_ends(
    harness: Harness,
) -> None:
    created = await harness.client.webhooks.secrets.create(name="second")
    await harness.client.webhooks.secrets.update(created.id, status="active")
    old = harness.emulator.credentials.webhook_secret
    counts = await change(harness, [old], harness.sid)
    assert counts.accepted == 0
    assert counts.refused >= 1


async def test_a_rotation_has_no_gap_for_a_client_that_knows_both(harness: Harness) -> None:
    secrets = harness.client.webhooks.secrets
    created = await secrets.create(name="second")
    old = harness.emulator.credentials.webhook_secret
    known = [old, created.secret or ""]
    await assert_verified(harness, known, harness.sids[0])
    await secrets.update(created.id, status="active")
    await assert_verified(harness, known, harness.sids[1])
    (first,) = [one async for one in secrets.list() if one.id != created.id]
    await secrets.update(first.id, status="pending")
    await assert_verified(harness, known, harness.sids[2])


async def test_secrets_are_listed_without_their_values(harness: Harness) -> None:
    secrets = harness.client.webhooks.secrets
    created = [await secrets.create(name=f"number {n}") for n in range(5)]
    listed = [one async for one in secrets.list(page_size=2)]
    assert {one.id for one in created} < {one.id for one in listed}
    assert len(listed) == 6
    assert {one.secret for one in listed} == {None}
    active = [one.status async for one in secrets.list(status="active")]
    assert set(active) == {"active"}


async def test_no_emulator_log_shows_a_secret_value(harness: Harness) -> None:
    created = await harness.client.webhooks.secrets.create(name="second")
    assert created.secret
    assert created.secret not in str(list(harness.emulator.requests))
    assert created.secret not in repr(created)
    assert created.secret not in str(harness.events)

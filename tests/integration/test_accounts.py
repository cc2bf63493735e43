"""SIMs that move between accounts, with clients of both accounts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from attrs import frozen

from asyncsim import (
    AsyncSimError,
    BadRequest,
    CallbackReceiver,
    Client,
    Conflict,
    NotFound,
    PermissionDenied,
    ServerError,
)
from asyncsim.emulator import Faults, World
from tests.integration.conftest import OpenHarness
from tests.integration.harness import Api, Harness


@frozen
class Family:
    """A main account's harness, and a subaccount beside it."""

    harness: Harness
    sub: World
    client: Client
    """The subaccount's."""

    @property
    def product(self) -> str:
        return self.harness.api.product

    @property
    def there(self) -> str:
        return self.sub.account_sid

    @property
    def sims(self) -> Any:
        """Of the subaccount's client."""
        return getattr(self.client, self.product).sims

    @property
    def belonging(self) -> str:
        """The keyword that names what a SIM belongs to."""
        return "fleet" if self.product == "supersim" else "rate_plan"

    def add(self, name: str) -> str:
        """Add a Fleet or a RatePlan to the subaccount."""
        add = self.sub.add_fleet if self.product == "supersim" else self.sub.add_rate_plan
        added: Any = add(name)
        sid: str = added.sid
        return sid


@pytest.fixture
async def open_family(
    start_harness: OpenHarness,
) -> AsyncIterator[Callable[..., Awaitable[Family]]]:
    async with AsyncExitStack() as stack:

        async def opened(api: Api, **settings: Any) -> Family:
            harness = await start_harness(api, **settings)
            world = harness.emulator.world(api.vendor)
            credentials = world.add_subaccount()
            client = harness.emulator.client(api.vendor, credentials=credentials)
            await stack.enter_async_context(client)
            return Family(harness, world.subaccounts[credentials.account_sid], client)

        yield opened


@pytest.fixture
async def family(open_family: Callable[..., Awaitable[Family]], api: Api) -> Family:
    return await open_family(api)


async def test_a_sim_moves_without_its_fleet_or_plan(family: Family) -> None:
    moved = await family.harness.sims.update(
        family.harness.sid, account_sid=family.there, **{family.belonging: None}
    )
    assert moved.account_sid == family.there
    assert getattr(moved, f"{family.belonging}_sid") is None
    (seen,) = await family.sims.list()
    assert (seen.sid, seen.status) == (moved.sid, "new")
    with pytest.raises(NotFound):
        await family.harness.sims.fetch(moved.sid)


async def test_a_sim_moves_into_a_fleet_or_plan_of_the_account_it_moves_to(
    family: Family,
) -> None:
    """A name is the other account's: it is not looked up in this one."""
    sid = family.add("theirs")
    moved = await family.harness.sims.update(
        family.harness.sid, account_sid=family.there, **{family.belonging: "theirs"}
    )
    assert getattr(moved, f"{family.belonging}_sid") == sid
    changed = family.sims.update_and_wait(moved.sid, status="active")
    assert (await family.harness.complete(changed)).status == "active"


async def test_a_move_is_settled_by_its_own_answer(family: Family) -> None:
    family.add("theirs")
    moved = await family.harness.complete(
        family.harness.sims.update_and_wait(
            family.harness.sid, account_sid=family.there, **{family.belonging: "theirs"}
        )
    )
    assert (moved.account_sid, family.harness.clock.now()) == (family.there, 0.0)


async def test_many_sims_move_at_once(family: Family) -> None:
    changes = {
        sid: {"account_sid": family.there, family.belonging: None} for sid in family.harness.sids
    }
    outcomes = await family.harness.collect(family.harness.sims.update_many(changes))
    assert [one.error for one in outcomes.values()] == [None] * 3
    assert {one.sid async for one in family.sims.list()} == set(changes)
    assert [one async for one in family.harness.sims.list()] == []


async def test_a_sim_comes_back(family: Family) -> None:
    main = family.harness.sims
    nothing = {family.belonging: None}
    await main.update(family.harness.sid, account_sid=family.there, **nothing)
    (sim,) = await family.sims.list()
    here = family.harness.emulator.world(family.harness.api.vendor).account_sid
    back = await main.update(sim.sid, account_sid=here)
    assert back.account_sid == here
    assert (await main.fetch(sim.sid)).sid == sim.sid
    assert len(await family.sims.list()) == 0


@frozen
class Refused:
    """A move that a product does not allow."""

    product: Any
    changes: dict[str, Any]
    error: type[AsyncSimError]
    code: int
    status: str = "new"


STRANGER = "AC" + "0" * 32
REFUSED = {
    "to a stranger": Refused(
        "wireless", {"account_sid": STRANGER, "rate_plan": None}, PermissionDenied, 33201
    ),
    "to a stranger, Super SIM": Refused(
        "supersim", {"account_sid": STRANGER, "fleet": None}, PermissionDenied, 20006
    ),
    "once active": Refused("wireless", {"rate_plan": None}, PermissionDenied, 33201, "active"),
    "once active, Super SIM": Refused(
        "supersim", {"fleet": None}, PermissionDenied, 20006, "active"
    ),
    "with the plan of the old account": Refused("wireless", {}, NotFound, 33108),
    "into a plan of the old account": Refused(
        "wireless", {"rate_plan": "default"}, NotFound, 33108
    ),
    "with the Fleet of the old account": Refused("supersim", {}, NotFound, 83006),
    "into a Fleet of the old account": Refused("supersim", {"fleet": "default"}, NotFound, 83006),
    "and a status": Refused("wireless", {"rate_plan": None, "status": "active"}, BadRequest, 33121),
    "and a status, Super SIM": Refused(
        "supersim", {"fleet": None, "status": "active"}, BadRequest, 83010
    ),
    "under a name that is taken": Refused(
        "supersim", {"fleet": None, "unique_name": "taken"}, Conflict, 83011
    ),
}


@pytest.mark.parametrize("vendor", ["twilio", "kore"])
@pytest.mark.parametrize("case", REFUSED)
async def test_a_move_that_is_not_allowed_is_refused_with_the_vendors_code(
    open_family: Callable[..., Awaitable[Family]], vendor: Any, case: str
) -> None:
    refused = REFUSED[case]
    family = await open_family(Api(vendor, refused.product))
    family.sub.add_sim(refused.product, unique_name="taken")
    family.harness.put(family.harness.sid, status=refused.status)
    changes = {"account_sid": family.there, **refused.changes}
    with pytest.raises(refused.error) as caught:
        await family.harness.complete(family.harness.sims.update(family.harness.sid, **changes))
    assert getattr(caught.value, "code", None) == refused.code
    still_here = await family.harness.sims.fetch(family.harness.sid)
    assert still_here.account_sid != family.there


async def test_a_subaccount_cannot_take_a_sim_itself(family: Family) -> None:
    with pytest.raises(NotFound):
        await family.sims.update(family.harness.sid, account_sid=family.there)


async def test_callbacks_of_a_subaccount_are_signed_with_its_own_secret(
    open_family: Callable[..., Awaitable[Family]], api: Api
) -> None:
    """One receiver for the main account and for its subaccount."""
    family = await open_family(api, listens=True)
    harness = family.harness
    own = family.sub.credentials
    family.add("theirs")
    changes = {"account_sid": family.there, family.belonging: "theirs"}
    moved = await harness.sims.update(harness.sid, **changes)
    receiver = CallbackReceiver(clock=harness.clock)
    client = harness.emulator.client(api.vendor, credentials=own, receiver=receiver)
    main = harness.emulator.client(api.vendor, receiver=receiver)
    async with client, main:
        for one, sid in ((client, moved.sid), (main, harness.sid)):
            sims: Any = getattr(one, api.product).sims
            changed = await harness.complete(sims.update_and_wait(sid, status="active"))
            assert changed.status == "active"
    assert (receiver.counts.accepted, receiver.counts.unconfirmed, receiver.counts.refused) == (
        2,
        0,
        0,
    )


async def test_a_move_whose_answer_is_lost_is_done_once(family: Family) -> None:
    """The SIM is no longer to be found in this account, which is how one that moved looks."""
    harness = family.harness
    await harness.sims.list()  # at KORE: the token
    harness.emulator.faults = Faults(dropped=0.5, share_processed=1.0, seed=1)
    changes = {"account_sid": family.there, family.belonging: None}
    outcomes = await harness.collect(harness.sims.update_many(dict.fromkeys(harness.sids, changes)))
    harness.emulator.faults = Faults()
    assert [one.error for one in outcomes.values()] == [None] * 3
    assert len(await family.sims.list()) == 3


async def test_a_move_by_name_whose_answer_is_lost_is_not_said_to_be_of_nobody(
    family: Family,
) -> None:
    harness = family.harness
    harness.put(harness.sid, unique_name="mover")
    await harness.sims.list()  # at KORE: the token
    harness.emulator.faults = Faults(server_errors=1.0, share_processed=1.0)
    moving = await harness.start(
        harness.sims.update("mover", account_sid=family.there, **{family.belonging: None})
    )
    harness.emulator.faults = Faults()
    with pytest.raises(ServerError, match="mover"):
        await harness.complete(moving)
    (moved,) = await family.sims.list()
    assert moved.unique_name == "mover"

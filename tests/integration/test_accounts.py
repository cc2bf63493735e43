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
class Accounts:
    """Harness of a main account, with a subaccount of it."""

    harness: Harness
    sub: World
    client: Client
    """The client of the subaccount."""

    @property
    def product(self) -> str:
        return self.harness.api.product

    @property
    def sub_sid(self) -> str:
        return self.sub.account_sid

    @property
    def sims(self) -> Any:
        """The Sims of the subaccount's client."""
        return getattr(self.client, self.product).sims

    @property
    def parent_keyword(self) -> str:
        """The keyword of the Fleet or RatePlan that a SIM belongs to."""
        return "fleet" if self.product == "supersim" else "rate_plan"

    def add(self, name: str) -> str:
        """Add a Fleet or a RatePlan to the subaccount."""
        add = self.sub.add_fleet if self.product == "supersim" else self.sub.add_rate_plan
        added: Any = add(name)
        sid: str = added.sid
        return sid


@pytest.fixture
async def open_accounts(
    start_harness: OpenHarness,
) -> AsyncIterator[Callable[..., Awaitable[Accounts]]]:
    async with AsyncExitStack() as stack:

        async def open_one(api: Api, **settings: Any) -> Accounts:
            harness = await start_harness(api, **settings)
            world = harness.emulator.world(api.vendor)
            credentials = world.add_subaccount()
            client = harness.emulator.client(api.vendor, credentials=credentials)
            await stack.enter_async_context(client)
            return Accounts(harness, world.subaccounts[credentials.account_sid], client)

        yield open_one


@pytest.fixture
async def accounts(open_accounts: Callable[..., Awaitable[Accounts]], api: Api) -> Accounts:
    return await open_accounts(api)


async def test_a_sim_moves_without_its_fleet_or_plan(accounts: Accounts) -> None:
    moved = await accounts.harness.sims.update(
        accounts.harness.sid, account_sid=accounts.sub_sid, **{accounts.parent_keyword: None}
    )
    assert moved.account_sid == accounts.sub_sid
    assert getattr(moved, f"{accounts.parent_keyword}_sid") is None
    (seen,) = await accounts.sims.list()
    assert (seen.sid, seen.status) == (moved.sid, "new")
    with pytest.raises(NotFound):
        await accounts.harness.sims.fetch(moved.sid)


async def test_a_sim_moves_into_a_fleet_or_plan_of_the_target_account(
    accounts: Accounts,
) -> None:
    """The name belongs to the target account, so it is not looked up in this one."""
    sid = accounts.add("theirs")
    moved = await accounts.harness.sims.update(
        accounts.harness.sid, account_sid=accounts.sub_sid, **{accounts.parent_keyword: "theirs"}
    )
    assert getattr(moved, f"{accounts.parent_keyword}_sid") == sid
    changed = accounts.sims.update_and_wait(moved.sid, status="active")
    assert (await accounts.harness.complete(changed)).status == "active"


async def test_a_move_is_settled_by_its_own_response(accounts: Accounts) -> None:
    accounts.add("theirs")
    moved = await accounts.harness.complete(
        accounts.harness.sims.update_and_wait(
            accounts.harness.sid,
            account_sid=accounts.sub_sid,
            **{accounts.parent_keyword: "theirs"},
        )
    )
    assert (moved.account_sid, accounts.harness.clock.now()) == (accounts.sub_sid, 0.0)


async def test_many_sims_move_at_once(accounts: Accounts) -> None:
    changes = {
        sid: {"account_sid": accounts.sub_sid, accounts.parent_keyword: None}
        for sid in accounts.harness.sids
    }
    outcomes = await accounts.harness.collect(accounts.harness.sims.update_many(changes))
    assert [one.error for one in outcomes.values()] == [None] * 3
    assert {one.sid async for one in accounts.sims.list()} == set(changes)
    assert [one async for one in accounts.harness.sims.list()] == []


async def test_a_sim_moves_back(accounts: Accounts) -> None:
    main = accounts.harness.sims
    no_parent = {accounts.parent_keyword: None}
    await main.update(accounts.harness.sid, account_sid=accounts.sub_sid, **no_parent)
    (sim,) = await accounts.sims.list()
    here = accounts.harness.emulator.world(accounts.harness.api.vendor).account_sid
    back = await main.update(sim.sid, account_sid=here)
    assert back.account_sid == here
    assert (await main.fetch(sim.sid)).sid == sim.sid
    assert len(await accounts.sims.list()) == 0


@frozen
class RejectedMove:
    """A move that the product does not allow."""

    product: Any
    changes: dict[str, Any]
    error: type[AsyncSimError]
    code: int
    status: str = "new"


UNKNOWN_ACCOUNT = "AC" + "0" * 32
REJECTED_MOVES = {
    "to an unknown account": RejectedMove(
        "wireless", {"account_sid": UNKNOWN_ACCOUNT, "rate_plan": None}, PermissionDenied, 33201
    ),
    "to an unknown account, Super SIM": RejectedMove(
        "supersim", {"account_sid": UNKNOWN_ACCOUNT, "fleet": None}, PermissionDenied, 20006
    ),
    "once active": RejectedMove("wireless", {"rate_plan": None}, PermissionDenied, 33201, "active"),
    "once active, Super SIM": RejectedMove(
        "supersim", {"fleet": None}, PermissionDenied, 20006, "active"
    ),
    "with the plan of the old account": RejectedMove("wireless", {}, NotFound, 33108),
    "into a plan of the old account": RejectedMove(
        "wireless", {"rate_plan": "default"}, NotFound, 33108
    ),
    "with the Fleet of the old account": RejectedMove("supersim", {}, NotFound, 83006),
    "into a Fleet of the old account": RejectedMove(
        "supersim", {"fleet": "default"}, NotFound, 83006
    ),
    "and a status": RejectedMove(
        "wireless", {"rate_plan": None, "status": "active"}, BadRequest, 33121
    ),
    "and a status, Super SIM": RejectedMove(
        "supersim", {"fleet": None, "status": "active"}, BadRequest, 83010
    ),
    "with a name already taken": RejectedMove(
        "supersim", {"fleet": None, "unique_name": "taken"}, Conflict, 83011
    ),
}


@pytest.mark.parametrize("vendor", ["twilio", "kore"])
@pytest.mark.parametrize("case", REJECTED_MOVES)
async def test_an_illegal_move_is_rejected_with_the_vendors_code(
    open_accounts: Callable[..., Awaitable[Accounts]], vendor: Any, case: str
) -> None:
    rejected = REJECTED_MOVES[case]
    accounts = await open_accounts(Api(vendor, rejected.product))
    accounts.sub.add_sim(rejected.product, unique_name="taken")
    accounts.harness.put(accounts.harness.sid, status=rejected.status)
    changes = {"account_sid": accounts.sub_sid, **rejected.changes}
    with pytest.raises(rejected.error) as caught:
        await accounts.harness.complete(
            accounts.harness.sims.update(accounts.harness.sid, **changes)
        )
    assert getattr(caught.value, "code", None) == rejected.code
    still_here = await accounts.harness.sims.fetch(accounts.harness.sid)
    assert still_here.account_sid != accounts.sub_sid


async def test_a_subaccount_cannot_pull_a_sim_from_the_main_account(accounts: Accounts) -> None:
    with pytest.raises(NotFound):
        await accounts.sims.update(accounts.harness.sid, account_sid=accounts.sub_sid)


async def test_callbacks_of_a_subaccount_are_signed_with_its_own_secret(
    open_accounts: Callable[..., Awaitable[Accounts]], api: Api
) -> None:
    """One receiver serves the main account and its subaccount."""
    accounts = await open_accounts(api, listens=True)
    harness = accounts.harness
    own = accounts.sub.credentials
    accounts.add("theirs")
    changes = {"account_sid": accounts.sub_sid, accounts.parent_keyword: "theirs"}
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


async def test_a_move_whose_response_is_lost_is_made_once(accounts: Accounts) -> None:
    """A moved SIM is not found in this account any more."""
    harness = accounts.harness
    await harness.sims.list()  # at KORE: fetches the token
    harness.emulator.faults = Faults(dropped=0.5, share_processed=1.0, seed=1)
    changes = {"account_sid": accounts.sub_sid, accounts.parent_keyword: None}
    outcomes = await harness.collect(harness.sims.update_many(dict.fromkeys(harness.sids, changes)))
    harness.emulator.faults = Faults()
    assert [one.error for one in outcomes.values()] == [None] * 3
    assert len(await accounts.sims.list()) == 3


async def test_a_move_by_name_whose_response_is_lost_raises_an_error_with_the_name(
    accounts: Accounts,
) -> None:
    harness = accounts.harness
    harness.put(harness.sid, unique_name="mover")
    await harness.sims.list()  # at KORE: fetches the token
    harness.emulator.faults = Faults(server_errors=1.0, share_processed=1.0)
    moving = await harness.start(
        harness.sims.update(
            "mover", account_sid=accounts.sub_sid, **{accounts.parent_keyword: None}
        )
    )
    harness.emulator.faults = Faults()
    with pytest.raises(ServerError, match="mover"):
        await harness.complete(moving)
    (moved,) = await accounts.sims.list()
    assert moved.unique_name == "mover"

"""Every operation of a product, sent by one client through the validating proxy."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from attrs import define

from asyncsim import Client
from asyncsim.emulator import Emulator
from tests.contract.documents import Document


@define(eq=False)
class OperationContext:
    document: Document
    client: Client
    emulator: Emulator

    @property
    def world(self) -> Any:
        return self.emulator.world(self.document.vendor)

    async def new_sim(self) -> str:
        """A SIM in status `new`."""
        sims: Any = getattr(self.client, self.document.product).sims
        async for sim in sims.list(status="new"):
            return str(sim.sid)
        raise AssertionError("the emulator has no new SIM left")

    async def active_sim(self) -> str:
        """A SIM that accepts Commands."""
        product: Any = getattr(self.client, self.document.product)
        for sim in await product.sims.list(status="active"):
            return str(sim.sid)
        plan = {"wireless": "rate_plan", "supersim": "fleet"}[self.document.product]
        change = {"status": "active", plan: "default"}
        sim = await product.sims.update_and_wait(await self.new_sim(), **change, timeout=60)
        return str(sim.sid)


Step = Callable[[OperationContext], Awaitable[object]]


async def collect(pager: Any) -> list[Any]:
    """All rows of a list."""
    return [row async for row in pager]

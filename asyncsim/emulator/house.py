"""The emulator's rooms, and who works in them, while it runs."""

from __future__ import annotations

from collections.abc import Iterator

from asyncsim.clock import Clock
from asyncsim.emulator.audit import Chronicle
from asyncsim.emulator.auth import Tokens
from asyncsim.emulator.callbacks import Outbox
from asyncsim.emulator.commands import Courier
from asyncsim.emulator.conditions import Conditions
from asyncsim.emulator.exchange import RequestRecord
from asyncsim.emulator.letters import Delivery
from asyncsim.emulator.persistence import FORMAT, State
from asyncsim.emulator.request_log import Journal
from asyncsim.emulator.scheduler import Agenda
from asyncsim.emulator.seeds import seed as sow
from asyncsim.emulator.transitions import Carrier
from asyncsim.emulator.world import World
from asyncsim.vendors import VENDORS, EmulatorCredentials


class House:
    """All that exists only while the emulator runs."""

    def __init__(
        self, clock: Clock, conditions: Conditions, credentials: EmulatorCredentials, state: State
    ) -> None:
        seed = conditions.seed
        self.state = state
        self.agenda = Agenda(clock, state)
        self.requests = Journal("requests", RequestRecord, state)
        self.deliveries = Journal("deliveries", Delivery, state)
        self.outbox = Outbox(clock, self.agenda, conditions, self._secret, self.deliveries)
        self.carrier = Carrier(self.agenda, conditions, self.outbox)
        self.courier = Courier(self.agenda, conditions, self.outbox, self.carrier)
        self.chronicle = Chronicle(conditions)
        self.worlds = {
            name: World(vendor, credentials, clock, state, seed) for name, vendor in VENDORS.items()
        }
        self.tokens = Tokens(clock, state, self._kore_accounts, seed)

    def furnish(self, sims: int) -> None:
        """Take up what the state holds; a state that is new gets its seeds."""
        is_new = not list(self.state.all("about"))
        for world in self.worlds.values():
            world.on_opened = self._serve
            self._serve(world)
            sow(world, sims) if is_new else world.load()
        self.state.put("about", "format", FORMAT)
        self.tokens.load()
        self.agenda.load()
        self.state.commit()

    def _serve(self, world: World) -> None:
        # The audit trail first: a carrier's answer to a change may be the next change.
        self.chronicle.serve(world)
        self.carrier.serve(world)
        self.courier.serve(world)

    def _kore_accounts(self) -> Iterator[EmulatorCredentials]:
        return (world.credentials for world in self.worlds["kore"].family())

    def _secret(self, vendor: str, account_sid: str) -> str | None:
        """What an account's callbacks are signed with."""
        root = self.worlds[vendor]
        world = root.subaccounts.get(account_sid, root)
        return world.signing_secret() if vendor == "kore" else world.credentials.auth_token

    async def close(self) -> None:
        """Stop everything that is under way; the state keeps it."""
        self.agenda.close()
        await self.outbox.close()
        self.state.close()

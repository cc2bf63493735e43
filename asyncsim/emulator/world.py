"""One emulated account as tests see it: all of it may be looked at and changed at any time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Literal, Self

from attrs import evolve

from asyncsim.emulator import identity
from asyncsim.emulator.account import Account, Card
from asyncsim.emulator.fixtures import FLEET, RATE_PLAN, SETTINGS_PACKAGE, networks
from asyncsim.emulator.store import Store
from asyncsim.models.supersim.esim_profiles import ESIM_PROFILES, ESimProfile
from asyncsim.models.supersim.fleets import FLEETS, Fleet
from asyncsim.models.supersim.ip_commands import IP_COMMANDS
from asyncsim.models.supersim.network_access_profiles import (
    NETWORK_ACCESS_PROFILES,
    NetworkAccessProfile,
)
from asyncsim.models.supersim.networks import NETWORKS
from asyncsim.models.supersim.settings_updates import (
    SETTINGS_UPDATES,
    SettingsPackage,
    SettingsUpdate,
)
from asyncsim.models.supersim.sms_commands import SMS_COMMANDS
from asyncsim.models.webhooks.secrets import SECRETS, Secret
from asyncsim.models.wireless.commands import COMMANDS
from asyncsim.models.wireless.rate_plans import RATE_PLANS, RatePlan
from asyncsim.vendors import EmulatorCredentials
from asyncsim.wire.forms import format_date

__all__ = ["Card", "World"]


class World(Account):
    """One vendor's account, with hands to change it."""

    on_opened: Callable[[World], object] = staticmethod(lambda world: None)
    """Called with each subaccount that is opened, by its main account."""

    _suspended = False

    @property
    def fleets(self) -> Store[Fleet]:
        """SID to Fleet."""
        return self.store(FLEETS)

    @property
    def rate_plans(self) -> Store[RatePlan]:
        """SID to RatePlan."""
        return self.store(RATE_PLANS)

    @property
    def suspended(self) -> bool:
        """Whether the vendor has suspended this account (error 33201)."""
        return self._suspended

    def suspend(self, *, suspended: bool = True) -> None:
        """Let the vendor suspend this account, or take it back."""
        self._suspended = suspended
        self._state.put(f"{self.vendor.name}/suspended", self.account_sid, suspended)

    def add_subaccount(self) -> EmulatorCredentials:
        """Open a subaccount; `world.subaccounts[credentials.account_sid]` is its world."""
        root = self.root
        number = len(root.subaccounts)
        self._state.put(f"{self.vendor.name}/subaccounts", str(number), {})
        world = root._open(number)
        world.add_catalogue()
        return world.credentials

    def _open(self, number: int) -> Self:
        credentials = _credentials(self.seed, self.vendor.name, number)
        world = type(self)(self.vendor, credentials, self._clock, self._state, self.seed, self)
        self.subaccounts[credentials.account_sid] = world
        self.on_opened(world)
        return world

    def load(self) -> None:
        """Take up what an earlier run kept, subaccounts too."""
        super().load()
        suspended = dict(self._state.all(f"{self.vendor.name}/suspended"))
        self._suspended = suspended.get(self.account_sid, False)
        if self.parent is None:
            for number, _ in self._state.all(f"{self.vendor.name}/subaccounts"):
                self._open(int(number)).load()

    def add_catalogue(self) -> None:
        """Add the Networks, and KORE's first webhook secret."""
        for number, fields in enumerate(networks()):
            # The same SIDs in every account: they are the vendor's networks.
            sid = "HW" + identity.digest(self.seed, self.vendor.name, "HW", number)
            self.add(NETWORKS, sid=sid, **fields)
        if self.vendor.name == "kore":
            self.add_secret("emulated", value=self.credentials.webhook_secret)

    def add_sim(self, product: str, *, narrowband: bool = False, **fields: Any) -> Any:
        """Add a SIM; what is not given is made up, but it has no Fleet or RatePlan."""
        store = self.sims(product)
        given: dict[str, Any] = {"status": "new", "iccid": self._iccid(store), **fields}
        if product == "wireless":
            given.setdefault("commands_callback_method", "POST")
        code = identity.registration_code(self.seed, *self._names, product, store.arrivals)
        notes = {"registration_code": code, **({"narrowband": True} if narrowband else {})}
        return self.add(store.kind, notes=notes, **given)

    def add_fleet(self, unique_name: str | None = None, **fields: Any) -> Fleet:
        """Add a Fleet, with the first NetworkAccessProfile unless one is given."""
        profile = next(iter(self.store(NETWORK_ACCESS_PROFILES)), None)
        given = {**FLEET, "unique_name": unique_name, "network_access_profile_sid": profile}
        return self.add(FLEETS, **{**given, **fields})

    def add_rate_plan(
        self, unique_name: str | None = None, *, narrowband: bool = False, **fields: Any
    ) -> RatePlan:
        """Add a RatePlan."""
        given = {**RATE_PLAN, "unique_name": unique_name, **fields}
        return self.add(RATE_PLANS, notes={"narrowband": True} if narrowband else None, **given)

    def add_network_access_profile(
        self, unique_name: str | None = None, networks: Iterable[str] | None = None
    ) -> NetworkAccessProfile:
        """Add a NetworkAccessProfile, of all Networks unless their SIDs are given."""
        sids = list(self.store(NETWORKS) if networks is None else networks)
        notes = {"networks": sids}
        return self.add(NETWORK_ACCESS_PROFILES, notes=notes, unique_name=unique_name)

    def add_settings_update(self, sim_sid: str, status: str = "successful") -> SettingsUpdate:
        """Add what the vendor has sent, or will send, to a Super SIM over the air."""
        sim, now = self.sims("supersim")[sim_sid], self.now()
        return self.add(
            SETTINGS_UPDATES,
            status=status,
            iccid=sim.iccid,
            sim_sid=sim_sid,
            packages=(SettingsPackage(**SETTINGS_PACKAGE),),
            date_completed=now if status == "successful" else None,
        )

    def add_secret(self, name: str, *, value: str | None = None, status: str = "active") -> Secret:
        """Add a webhook secret; the one that was activated last signs callbacks."""
        store = self.store(SECRETS)
        drawn = identity.digest(self.seed, *self._names, "secret", store.arrivals)
        record = Secret(
            id="whs_" + drawn[:26],
            name=name,
            status=status,
            last_modified=self.now(),
            secret=value or drawn[::-1],
        )
        return store.put(record, activated=store.arrivals if status == "active" else -1)

    def signing_secret(self) -> str | None:
        """The value of the active webhook secret that was activated last."""
        store = self.store(SECRETS)
        active = [one for one in store.values() if one.status == "active"]
        newest = max(active, key=lambda one: store.notes(one.id)["activated"], default=None)
        return None if newest is None else newest.secret

    def attach(self, product: str, sim_sid: str) -> None:
        """Let a SIM's device be reachable again; it is, until detached."""
        self.sims(product).annotate(sim_sid, detached=False)

    def detach(self, product: str, sim_sid: str) -> None:
        """Take a SIM's device off the network, whatever its status."""
        self.sims(product).annotate(sim_sid, detached=True)

    def use_data(self, product: str, sim_sid: str, *, upload: int = 0, download: int = 0) -> None:
        """Let a SIM use so many bytes now; 250 KB in all make a `ready` one `active`."""
        store = self.sims(product)
        used = [*store.notes(sim_sid).get("used", ()), [format_date(self.now()), upload, download]]
        store.put(store[sim_sid], used=used)

    def send_command(
        self,
        product: str,
        sim: str,
        payload: str,
        *,
        transport: Literal["sms", "ip"] = "sms",
        binary: bool = False,
        device_ip: str = "100.64.0.123",
        device_port: int = 7000,
    ) -> Any:
        """Send a Command from a SIM's device; the vendor calls the Fleet's or the Sim's URL.

        `sim` is a SID or a unique name; KeyError for a SIM that the account does not have.
        `payload` is Base64 where `binary`, as Super SIM's IP Commands always are.
        """
        sender = self.sims(product).find(sim) or self.sims(product)[sim]
        given: dict[str, Any] = {"status": "received", "direction": "from_sim"}
        given["sim_sid"] = sender.sid
        if product == "wireless":
            mode = "binary" if binary else "text"
            given |= {"command": payload, "command_mode": mode, "transport": transport}
            return self.add(COMMANDS, delivery_receipt_requested=False, **given)
        if transport == "sms":
            return self.add(SMS_COMMANDS, payload=payload, **given)
        where = {"device_ip": device_ip, "device_port": device_port, "sim_iccid": sender.iccid}
        return self.add(IP_COMMANDS, payload=payload, payload_type="binary", **where, **given)

    def move_esim_profile(self, sid: str, status: str) -> ESimProfile:
        """Let a device download or install its profile: `downloaded`, `installed`."""
        store = self.store(ESIM_PROFILES)
        return store.put(evolve(store[sid], status=status, date_updated=self.now()))


def _credentials(seed: int, vendor: str, number: int) -> EmulatorCredentials:
    def draw(what: str) -> str:
        return identity.digest(seed, vendor, "subaccount", number, what)

    return EmulatorCredentials(
        account_sid="AC" + draw("account"),
        auth_token=draw("auth token"),
        api_key="SK" + draw("api key"),
        api_secret=draw("api secret"),
        client_id="apiclient_" + draw("client"),
        client_secret=draw("client secret"),
        webhook_secret=draw("webhook secret"),
    )

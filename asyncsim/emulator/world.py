"""World: one emulated account with its records, which tests may read and change at any time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Any, Literal, Self, TypeVar, overload

from attrs import evolve, fields_dict, frozen

from asyncsim.clock import Clock
from asyncsim.emulator.fixtures import (
    FLEET_DEFAULTS,
    RATE_PLAN_DEFAULTS,
    SETTINGS_PACKAGE,
    make_iccid,
    make_registration_code,
    network_fields,
    seeded_hex,
)
from asyncsim.emulator.persistence import StateStore
from asyncsim.emulator.store import RecordStore
from asyncsim.kind import Kind
from asyncsim.models.monitor.events import EVENTS
from asyncsim.models.supersim import sims as supersim
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
from asyncsim.models.wireless import sims as wireless
from asyncsim.models.wireless.commands import COMMANDS
from asyncsim.models.wireless.rate_plans import RATE_PLANS, RatePlan
from asyncsim.vendors import EmulatorCredentials, Vendor
from asyncsim.wire.forms import format_date

T = TypeVar("T")

KINDS: tuple[Kind[Any], ...] = (
    wireless.SIMS,
    RATE_PLANS,
    COMMANDS,
    supersim.SIMS,
    FLEETS,
    NETWORKS,
    NETWORK_ACCESS_PROFILES,
    SMS_COMMANDS,
    IP_COMMANDS,
    ESIM_PROFILES,
    SETTINGS_UPDATES,
    EVENTS,
    SECRETS,
)
"""Kinds whose records are stored; usage, sessions and billing periods are derived from them."""

REGISTRABLE_CARDS = 10
"""Cards in a new world that no account has registered yet."""

SETTINGS_UPDATED_SIMS = 2
"""SIMs in a new world that the vendor has sent new settings to."""


@frozen
class Card:
    """A Super SIM that no account has registered."""

    iccid: str
    registration_code: str


class World:
    """One account at one vendor; a subaccount has a `parent`."""

    on_opened: Callable[[World], object] = staticmethod(lambda world: None)
    """The main account calls this with each subaccount that it opens."""

    def __init__(
        self,
        vendor: Vendor,
        credentials: EmulatorCredentials,
        clock: Clock,
        state: StateStore,
        seed: int,
        parent: Self | None = None,
    ) -> None:
        self.vendor = vendor
        self.credentials = credentials
        self.seed = seed
        self.parent = parent
        self.subaccounts: dict[str, Self] = {}
        """Account SID to the subaccount."""
        self._clock = clock
        self._state = state
        # Empty for the main account: its records keep the stored names and the SIDs that they had
        # before subaccounts existed.
        self._owner = "" if parent is None else credentials.account_sid
        self._sid_parts = (vendor.name, self._owner) if self._owner else (vendor.name,)
        self._stores = {kind: RecordStore(kind, vendor, state, self._owner) for kind in KINDS}
        self._card_collection = f"{vendor.name}/cards"
        self.cards: dict[str, Card] = {} if parent is None else parent.cards
        """ICCID to a card that `register` may claim; subaccounts share the main account's."""
        self._suspended = False

    def load(self) -> None:
        """Load the records of an earlier run, subaccounts included."""
        for store in self._stores.values():
            store.load()
        suspended = dict(self._state.items(f"{self.vendor.name}/suspended"))
        self._suspended = suspended.get(self.account_sid, False)
        if self.parent is None:
            for iccid, code in self._state.items(self._card_collection):
                self.cards[iccid] = Card(iccid, code)
            for number, _ in self._state.items(f"{self.vendor.name}/subaccounts"):
                self.open_subaccount(int(number)).load()

    def create_seeds(self, sims: int) -> None:
        """Fill a new world with SIMs that a plain `status="active"` activates."""
        self.add_catalogue()
        self.add_network_access_profile("default")
        fleet = self.add_fleet("default")
        self.add_fleet("other")
        plan = self.add_rate_plan("default", friendly_name="Default")
        self.add_rate_plan("other", friendly_name="Other")
        for number in range(sims):
            sim = self.add_sim("supersim", fleet_sid=fleet.sid)
            if number < SETTINGS_UPDATED_SIMS:
                self.add_settings_update(sim.sid)
            self.add_sim("wireless", rate_plan_sid=plan.sid)
        for _ in range(REGISTRABLE_CARDS):
            self.add_registrable()

    @property
    def account_sid(self) -> str:
        """AC and 32 hex digits, at both vendors."""
        return self.credentials.account_sid

    # Subaccounts.

    @property
    def root(self) -> Self:
        """The main account."""
        return self.parent or self

    def family(self) -> Iterator[Self]:
        """The main account and all its subaccounts."""
        yield self.root
        yield from self.root.subaccounts.values()

    def add_subaccount(self) -> EmulatorCredentials:
        """Open a subaccount; `world.subaccounts[credentials.account_sid]` is its world."""
        root = self.root
        number = len(root.subaccounts)
        self._state.put(f"{self.vendor.name}/subaccounts", str(number), {})
        world = root.open_subaccount(number)
        world.add_catalogue()
        return world.credentials

    def open_subaccount(self, number: int) -> Self:
        """Create the n-th subaccount in memory; its credentials follow from the seed."""

        def secret(what: str) -> str:
            return seeded_hex(self.seed, self.vendor.name, "subaccount", number, what)

        credentials = EmulatorCredentials(
            account_sid="AC" + secret("account"),
            auth_token=secret("auth token"),
            api_key="SK" + secret("api key"),
            api_secret=secret("api secret"),
            client_id="apiclient_" + secret("client"),
            client_secret=secret("client secret"),
            webhook_secret=secret("webhook secret"),
        )
        world = type(self)(self.vendor, credentials, self._clock, self._state, self.seed, self)
        self.subaccounts[credentials.account_sid] = world
        self.on_opened(world)
        return world

    @property
    def suspended(self) -> bool:
        """Whether the vendor has suspended this account (error 33201)."""
        return self._suspended

    def suspend(self, *, suspended: bool = True) -> None:
        """Suspend this account as the vendor would, or lift the suspension."""
        self._suspended = suspended
        self._state.put(f"{self.vendor.name}/suspended", self.account_sid, suspended)

    # Records.

    def store(self, kind: Kind[T]) -> RecordStore[T]:
        """The records of a kind."""
        return self._stores[kind]

    @overload
    def sims(self, product: Literal["wireless"]) -> RecordStore[wireless.Sim]: ...
    @overload
    def sims(self, product: Literal["supersim"]) -> RecordStore[supersim.Sim]: ...
    @overload
    def sims(self, product: str) -> RecordStore[Any]: ...
    def sims(self, product: str) -> RecordStore[Any]:
        """SID to Sim of a product."""
        return self._stores[wireless.SIMS if product == "wireless" else supersim.SIMS]

    @property
    def fleets(self) -> RecordStore[Fleet]:
        """SID to Fleet."""
        return self.store(FLEETS)

    @property
    def rate_plans(self) -> RecordStore[RatePlan]:
        """SID to RatePlan."""
        return self.store(RATE_PLANS)

    def now(self) -> datetime:
        """The current time in whole seconds, as the vendors' responses show dates."""
        return self._clock.utcnow().replace(microsecond=0)

    def add(self, kind: Kind[T], *, notes: dict[str, Any] | None = None, **fields: Any) -> T:
        """Add a record of any kind, with its SID, account and dates unless they are given."""
        store, now = self.store(kind), self.now()
        defaults = {"account_sid": self.account_sid, "date_created": now, "date_updated": now}
        known = fields_dict(kind.model)  # type: ignore[arg-type]  # every model is attrs'
        given = {name: value for name, value in defaults.items() if name in known} | fields
        if kind.sid_prefix and "sid" not in given:
            unique = (*self._sid_parts, kind.sid_prefix, store.inserted)
            given["sid"] = kind.sid_prefix + seeded_hex(self.seed, *unique)
        return store.put(kind.model(**given), **(notes or {}))

    def add_catalogue(self) -> None:
        """Add the Networks, and KORE's first webhook secret."""
        for number, fields in enumerate(network_fields()):
            # The same SIDs in every account: they are the vendor's networks.
            sid = "HW" + seeded_hex(self.seed, self.vendor.name, "HW", number)
            self.add(NETWORKS, sid=sid, **fields)
        if self.vendor.name == "kore":
            self.add_secret("emulated", value=self.credentials.webhook_secret)

    def add_sim(self, product: str, *, narrowband: bool = False, **fields: Any) -> Any:
        """Add a SIM; fields that are not given get values, but it has no Fleet or RatePlan."""
        store = self.sims(product)
        number = store.inserted
        # Both lengths of an ICCID occur in the field, so both are made.
        parts = (*self._sid_parts, store.kind.sid_prefix, number)
        iccid = make_iccid(self.seed, *parts, length=19 + number % 2)
        given: dict[str, Any] = {"status": "new", "iccid": iccid, **fields}
        if product == "wireless":
            given.setdefault("commands_callback_method", "POST")
        code = make_registration_code(self.seed, *self._sid_parts, product, number)
        notes = {"registration_code": code, **({"narrowband": True} if narrowband else {})}
        return self.add(store.kind, notes=notes, **given)

    def add_fleet(self, unique_name: str | None = None, **fields: Any) -> Fleet:
        """Add a Fleet, with the first NetworkAccessProfile unless one is given."""
        profile = next(iter(self.store(NETWORK_ACCESS_PROFILES)), None)
        given = {
            **FLEET_DEFAULTS,
            "unique_name": unique_name,
            "network_access_profile_sid": profile,
        }
        return self.add(FLEETS, **{**given, **fields})

    def add_rate_plan(
        self, unique_name: str | None = None, *, narrowband: bool = False, **fields: Any
    ) -> RatePlan:
        """Add a RatePlan."""
        given = {**RATE_PLAN_DEFAULTS, "unique_name": unique_name, **fields}
        return self.add(RATE_PLANS, notes={"narrowband": True} if narrowband else None, **given)

    def add_network_access_profile(
        self, unique_name: str | None = None, networks: Iterable[str] | None = None
    ) -> NetworkAccessProfile:
        """Add a NetworkAccessProfile, of all Networks unless their SIDs are given."""
        sids = list(self.store(NETWORKS) if networks is None else networks)
        notes = {"networks": sids}
        return self.add(NETWORK_ACCESS_PROFILES, notes=notes, unique_name=unique_name)

    def add_settings_update(self, sim_sid: str, status: str = "successful") -> SettingsUpdate:
        """Add a SettingsUpdate that the vendor has sent, or will send, to a Super SIM."""
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
        unique = seeded_hex(self.seed, *self._sid_parts, "secret", store.inserted)
        record = Secret(
            id="whs_" + unique[:26],
            name=name,
            status=status,
            last_modified=self.now(),
            secret=value or unique[::-1],
        )
        return store.put(record, activated=store.inserted if status == "active" else -1)

    # Cards that may be registered.

    @property
    def registrable(self) -> tuple[Card, ...]:
        """Cards that `register` may claim, whichever account asks."""
        return tuple(self.cards.values())

    def add_registrable(self, iccid: str | None = None, code: str | None = None) -> Card:
        """Add a card that `register` may claim."""
        number = ("card", self.vendor.name, len(self.cards) + self.root.sims("supersim").inserted)
        card = Card(
            iccid or make_iccid(self.seed, *number, length=20),
            code or make_registration_code(self.seed, *number),
        )
        self.cards[card.iccid] = card
        self._state.put(self._card_collection, card.iccid, card.registration_code)
        return card

    def claim(self, iccid: str, registration_code: str) -> bool:
        """Remove a card and return True, if the code is right."""
        if self.cards.get(iccid) != Card(iccid, registration_code):
            return False
        del self.cards[iccid]
        self._state.delete(self._card_collection, iccid)
        return True

    # Secrets, devices.

    def signing_secret(self) -> str | None:
        """The value of the active webhook secret that was activated last."""
        store = self.store(SECRETS)
        active = [one for one in store.values() if one.status == "active"]
        newest = max(active, key=lambda one: store.notes(one.id)["activated"], default=None)
        return None if newest is None else newest.secret

    def attach(self, product: str, sim_sid: str) -> None:
        """Attach a SIM's device to the network; it is attached until `detach`."""
        self.sims(product).annotate(sim_sid, detached=False)

    def detach(self, product: str, sim_sid: str) -> None:
        """Take a SIM's device off the network, whatever its status."""
        self.sims(product).annotate(sim_sid, detached=True)

    def use_data(self, product: str, sim_sid: str, *, upload: int = 0, download: int = 0) -> None:
        """Record data use of a SIM, in bytes; 250 KB in all make a `ready` SIM `active`."""
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
        """Set the status of an eSIM profile, as its device would: `downloaded`, `installed`."""
        store = self.store(ESIM_PROFILES)
        return store.put(evolve(store[sid], status=status, date_updated=self.now()))

"""One account at one emulated vendor: its records, and how a record comes into being."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Literal, Self, TypeVar, overload

from attrs import fields_dict, frozen

from asyncsim.clock import Clock
from asyncsim.emulator import identity
from asyncsim.emulator.persistence import State
from asyncsim.emulator.store import Store
from asyncsim.kind import Kind
from asyncsim.models.monitor.events import EVENTS
from asyncsim.models.supersim import sims as supersim
from asyncsim.models.supersim.esim_profiles import ESIM_PROFILES
from asyncsim.models.supersim.fleets import FLEETS
from asyncsim.models.supersim.ip_commands import IP_COMMANDS
from asyncsim.models.supersim.network_access_profiles import NETWORK_ACCESS_PROFILES
from asyncsim.models.supersim.networks import NETWORKS
from asyncsim.models.supersim.settings_updates import SETTINGS_UPDATES
from asyncsim.models.supersim.sms_commands import SMS_COMMANDS
from asyncsim.models.webhooks.secrets import SECRETS
from asyncsim.models.wireless import sims as wireless
from asyncsim.models.wireless.commands import COMMANDS
from asyncsim.models.wireless.rate_plans import RATE_PLANS
from asyncsim.vendors import EmulatorCredentials, Vendor

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
"""Kinds that this emulator keeps; usage, sessions and billing periods follow from them."""


@frozen
class Card:
    """A Super SIM that no account has registered."""

    iccid: str
    registration_code: str


class Account:
    """The records of one account; a subaccount has a `parent`."""

    def __init__(
        self,
        vendor: Vendor,
        credentials: EmulatorCredentials,
        clock: Clock,
        state: State,
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
        # The main account's records stand and are numbered as they were before it had others.
        self._owner = "" if parent is None else credentials.account_sid
        self._stores = {kind: Store(kind, vendor, state, self._owner) for kind in KINDS}
        self._cards: dict[str, Card] = {}

    @property
    def account_sid(self) -> str:
        """AC and 32 hex digits, at both vendors."""
        return self.credentials.account_sid

    @property
    def root(self) -> Self:
        """The main account."""
        return self.parent or self

    def family(self) -> Iterator[Self]:
        """The main account and all its subaccounts."""
        yield self.root
        yield from self.root.subaccounts.values()

    def store(self, kind: Kind[T]) -> Store[T]:
        """The records of a kind."""
        return self._stores[kind]

    @overload
    def sims(self, product: Literal["wireless"]) -> Store[wireless.Sim]: ...
    @overload
    def sims(self, product: Literal["supersim"]) -> Store[supersim.Sim]: ...
    @overload
    def sims(self, product: str) -> Store[Any]: ...
    def sims(self, product: str) -> Store[Any]:
        """SID to Sim of a product."""
        return self.store(wireless.SIMS if product == "wireless" else supersim.SIMS)

    @property
    def registrable(self) -> tuple[Card, ...]:
        """Cards that `register` may claim, whichever account asks."""
        return tuple(self.root._cards.values())

    def now(self) -> datetime:
        """This moment in whole seconds, as the vendors' answers show dates."""
        return self._clock.utcnow().replace(microsecond=0)

    def add(self, kind: Kind[T], *, notes: dict[str, Any] | None = None, **fields: Any) -> T:
        """Add a record of any kind, with its SID, account and dates unless they are given."""
        store, now = self.store(kind), self.now()
        made_up = {"account_sid": self.account_sid, "date_created": now, "date_updated": now}
        known = fields_dict(kind.model)  # type: ignore[arg-type]  # every model is attrs'
        given = {name: value for name, value in made_up.items() if name in known} | fields
        if kind.sid_prefix:
            given.setdefault("sid", self._sid(store))
        return store.put(kind.model(**given), **(notes or {}))

    def add_registrable(self, iccid: str | None = None, code: str | None = None) -> Card:
        """Make a card that `register` may claim."""
        cards = self.root._cards
        number = ("card", self.vendor.name, len(cards) + self.root.sims("supersim").arrivals)
        card = Card(
            iccid or identity.iccid(self.seed, *number, length=20),
            code or identity.registration_code(self.seed, *number),
        )
        cards[card.iccid] = card
        self._state.put(self._card_room, card.iccid, card.registration_code)
        return card

    def claim(self, iccid: str, registration_code: str) -> bool:
        """Take a card if its code is right."""
        cards = self.root._cards
        if cards.get(iccid) != Card(iccid, registration_code):
            return False
        del cards[iccid]
        self._state.drop(self._card_room, iccid)
        return True

    def load(self) -> None:
        """Take up what an earlier run kept."""
        for store in self._stores.values():
            store.load()
        if self.parent is None:
            for iccid, code in self._state.all(self._card_room):
                self._cards[iccid] = Card(iccid, code)

    @property
    def _card_room(self) -> str:
        return f"{self.vendor.name}/cards"

    @property
    def _names(self) -> tuple[str, ...]:
        """What sets this account's SIDs apart from those of others."""
        return (self.vendor.name, self._owner) if self._owner else (self.vendor.name,)

    def _sid(self, store: Store[Any]) -> str:
        prefix = store.kind.sid_prefix
        return prefix + identity.digest(self.seed, *self._names, prefix, store.arrivals)

    def _iccid(self, store: Store[Any]) -> str:
        # Both lengths occur in the field, so both are made.
        number = store.arrivals
        parts = (*self._names, store.kind.sid_prefix, number)
        return identity.iccid(self.seed, *parts, length=19 + number % 2)

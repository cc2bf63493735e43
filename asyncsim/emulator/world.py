"""Everything one emulated vendor has: the account's records, and cards not registered yet."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Literal, TypeVar, overload

from attrs import frozen

from asyncsim.clock import Clock
from asyncsim.emulator import identity
from asyncsim.emulator.state import State
from asyncsim.emulator.store import Store
from asyncsim.kind import Kind
from asyncsim.models.supersim import sims as supersim
from asyncsim.models.supersim.fleets import FLEETS, Fleet
from asyncsim.models.wireless import sims as wireless
from asyncsim.models.wireless.rate_plans import RATE_PLANS, RatePlan
from asyncsim.vendors import Vendor

T = TypeVar("T")

KINDS: tuple[Kind[Any], ...] = (
    wireless.SIMS,
    RATE_PLANS,
    supersim.SIMS,
    FLEETS,
)
"""Kinds that this emulator keeps."""


@frozen
class Card:
    """A Super SIM that no account has registered."""

    iccid: str
    registration_code: str


class World:
    """One vendor's account. Tests may look at all of it and change it at any time."""

    def __init__(
        self, vendor: Vendor, account_sid: str, clock: Clock, state: State, seed: int
    ) -> None:
        self.vendor = vendor
        self.account_sid = account_sid
        self.seed = seed
        self.on_added: Callable[[Store[Any], Any], object] = lambda store, record: None
        self._clock = clock
        self._state = state
        self._stores = {kind: Store(kind, vendor, state) for kind in KINDS}
        self._cards: dict[str, Card] = {}

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
    def fleets(self) -> Store[Fleet]:
        """SID to Fleet."""
        return self.store(FLEETS)

    @property
    def rate_plans(self) -> Store[RatePlan]:
        """SID to RatePlan."""
        return self.store(RATE_PLANS)

    @property
    def registrable(self) -> tuple[Card, ...]:
        """Cards that `register` may claim."""
        return tuple(self._cards.values())

    def now(self) -> datetime:
        """This moment in whole seconds, as the vendors' answers show dates."""
        return self._clock.utcnow().replace(microsecond=0)

    def add_sim(self, product: str, **fields: Any) -> Any:
        """Add a SIM; what is not given is made up, but it has no Fleet or RatePlan."""
        store = self.sims(product)
        given: dict[str, Any] = {"status": "new", "iccid": self._iccid(store), **fields}
        if product == "wireless":
            given.setdefault("commands_callback_method", "POST")
        code = identity.registration_code(self.seed, self.vendor.name, product, store.arrivals)
        return self.add(store.kind, notes={"registration_code": code}, **given)

    def add_fleet(self, unique_name: str | None = None, **fields: Any) -> Fleet:
        """Add a Fleet."""
        given = {**_FLEET, "unique_name": unique_name, **fields}
        return self.add(FLEETS, **given)

    def add_rate_plan(self, unique_name: str | None = None, **fields: Any) -> RatePlan:
        """Add a RatePlan."""
        given = {**_RATE_PLAN, "unique_name": unique_name, **fields}
        return self.add(RATE_PLANS, **given)

    def add_registrable(self, iccid: str | None = None, code: str | None = None) -> Card:
        """Make a card that `register` may claim."""
        number = ("card", self.vendor.name, len(self._cards) + self.sims("supersim").arrivals)
        card = Card(
            iccid or identity.iccid(self.seed, *number, length=20),
            code or identity.registration_code(self.seed, *number),
        )
        self._cards[card.iccid] = card
        self._state.put(self._card_room, card.iccid, card.registration_code)
        return card

    def claim(self, iccid: str, registration_code: str) -> bool:
        """Take a card if its code is right."""
        if self._cards.get(iccid) != Card(iccid, registration_code):
            return False
        del self._cards[iccid]
        self._state.drop(self._card_room, iccid)
        return True

    def add(self, kind: Kind[T], *, notes: dict[str, Any] | None = None, **fields: Any) -> T:
        """Add a record of any kind, with its SID, account and dates unless they are given."""
        store, now = self.store(kind), self.now()
        given = {
            "account_sid": self.account_sid,
            "date_created": now,
            "date_updated": now,
            **fields,
        }
        given.setdefault("sid", self._sid(store))
        record = store.put(kind.model(**given), **(notes or {}))
        self.on_added(store, record)
        return record

    def load(self) -> None:
        """Take up what an earlier run kept."""
        for store in self._stores.values():
            store.load()
        for iccid, code in self._state.all(self._card_room):
            self._cards[iccid] = Card(iccid, code)

    @property
    def _card_room(self) -> str:
        return f"{self.vendor.name}/cards"

    def _sid(self, store: Store[Any]) -> str:
        prefix = store.kind.sid_prefix
        return prefix + identity.digest(self.seed, self.vendor.name, prefix, store.arrivals)

    def _iccid(self, store: Store[Any]) -> str:
        # Both lengths occur in the field, so both are made.
        number = store.arrivals
        parts = (self.vendor.name, store.kind.sid_prefix, number)
        return identity.iccid(self.seed, *parts, length=19 + number % 2)


_FLEET: dict[str, Any] = {
    "data_enabled": True,
    "data_limit": 1000,
    "data_metering": "payg",
    "sms_commands_enabled": True,
    "sms_commands_method": "POST",
    "ip_commands_method": "POST",
}

_RATE_PLAN: dict[str, Any] = {
    "data_enabled": True,
    "data_limit": 1000,
    "data_metering": "payg",
    "messaging_enabled": True,
    "voice_enabled": False,
    "national_roaming_enabled": False,
    "national_roaming_data_limit": 1000,
    "international_roaming": (),
    "international_roaming_data_limit": 1000,
    "data_limit_strategy": "block",
}

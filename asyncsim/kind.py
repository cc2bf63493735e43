"""One resource kind as data: the unit of work of client, emulator, command line and tests."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Generic, TypeVar

from attrs import evolve, field, frozen

from asyncsim.validation import looks_like_sid
from asyncsim.vendors import Product, Vendor

T = TypeVar("T")


# Twilio docs, "What is a String Identifier (SID)?"; where a SID of each prefix belongs.
_HOMES: Mapping[str, str] = {
    "AC": "an account",
    "DE": "a Programmable Wireless Sim (client.wireless.sims)",
    "WP": "a RatePlan (client.wireless.rate_plans)",
    "DC": "a Programmable Wireless Command",
    "WN": "a DataSession",
    "HS": "a Super SIM Sim (client.supersim.sims)",
    "HF": "a Fleet (client.supersim.fleets)",
    "HA": "a NetworkAccessProfile",
    "HW": "a Network",
    "HC": "an SmsCommand",
    "HG": "an IpCommand",
    "HP": "an ESimProfile",
    "HB": "a BillingPeriod",
    "OB": "a SettingsUpdate",
    "AE": "a Monitor Event",
}


def sid_home(name: str) -> str | None:
    """Describe what a SID belongs to, for messages; None if it is no SID of a known kind."""
    return _HOMES.get(name[:2]) if looks_like_sid(name) else None


@frozen(kw_only=True, eq=False)
class Kind(Generic[T]):
    """All facts about one resource kind; no behaviour, no I/O."""

    noun: str
    """Its name in messages: `Sim`."""
    product: Product
    path: str
    """Path of the list under the base URL: `/v1/Sims`; `{parent}` stands for the parent's name."""
    key: str
    """Key under which a page holds its rows."""
    sid_prefix: str = ""
    """Empty where rows have no SID."""
    model: type[T]
    has_unique_names: bool = False
    """Whether a unique name may be used in place of the SID."""
    create: type[Any] | None = None
    update: type[Any] | None = None
    filters: type[Any] | None = None
    statuses: tuple[str, ...] = ()
    """All documented statuses."""
    pending: frozenset[str] = frozenset()
    """Transitional statuses, which the vendor moves on from by itself, within seconds to hours."""
    failures: frozenset[str] = frozenset()
    """Final statuses that mean failure."""
    compared: Mapping[str, str] = field(factory=dict)
    """Keyword of an update -> attribute that shows it once the update has been applied."""
    page_size_limit: int = 1000
    page_size_limits: Mapping[str, int] = field(factory=dict)
    """Vendor -> its own limit, where lower."""
    parent: Kind[Any] | None = None
    """The kind whose name goes into `path`."""

    def max_page_size(self, vendor: Vendor) -> int:
        """Rows in the largest page that a vendor serves."""
        return self.page_size_limits.get(vendor.name, self.page_size_limit)

    def is_final(self, status: str | None) -> bool:
        """Tell whether a status is final: documented, and not pending."""
        return status in self.statuses and status not in self.pending

    def with_final(self, statuses: Collection[str]) -> Kind[T]:
        """Add undocumented final statuses; `ValueError` for one that is pending here."""
        pending = self.pending.intersection(statuses)
        if pending:
            words = ", ".join(sorted(pending))
            raise ValueError(f"Watching(final=...): a {self.noun} in {words} has not settled")
        added = [one for one in sorted(statuses) if one not in self.statuses]
        return evolve(self, statuses=(*self.statuses, *added)) if added else self

    def is_sid(self, name: str) -> bool:
        """Tell whether `name` is a SID of this kind."""
        return name.startswith(self.sid_prefix) and looks_like_sid(name)


def is_same_sid(one: str, other: str) -> bool:
    """Tell whether two SIDs name one resource; the hex digits may be in either case."""
    return one == other or one.lower() == other.lower()


@frozen
class Only:
    """Marks a keyword (by `Annotated`) that only one vendor's documents have."""

    vendor: str


@frozen
class FormKey:
    """Marks a keyword (by `Annotated`) whose form key is not its PascalCase."""

    key: str


def only(vendor: str) -> dict[str, Any]:
    """Metadata of a model's field that only one vendor's documents have."""
    return {"vendor": vendor}


def spelled(**names: str) -> dict[str, Any]:
    """Metadata of a model's field that a vendor spells differently: `spelled(twilio="e_id")`."""
    return {"spelled": names}


def spelling(name: str, metadata: Mapping[str, Any], vendor: Vendor) -> str:
    """How a vendor spells the field of this name."""
    spellings: Mapping[str, str] = metadata.get("spelled", {})
    return spellings.get(vendor.name, name)


def other_spellings(name: str, metadata: Mapping[str, Any], vendor: Vendor) -> tuple[str, ...]:
    """Other spellings to accept: a gateway's, or the vendor's once it fixes its own."""
    spellings: Mapping[str, str] = metadata.get("spelled", {})
    usual = spelling(name, metadata, vendor)
    return tuple(one for one in dict.fromkeys((name, *spellings.values())) if one != usual)


def belongs(metadata: Mapping[str, Any], vendor: Vendor) -> bool:
    """Tell whether a field with this metadata exists at a vendor."""
    return metadata.get("vendor") in (None, vendor.name)

"""Headings of columns: what people call what, in which spelling."""

from __future__ import annotations

import re
from collections.abc import Mapping

from asyncsim.bulk.actions import Action, keywords
from asyncsim.bulk.records import Naming
from asyncsim.suggestions import closest_match
from asyncsim.vendors import Product

PREFERENCE: tuple[Naming, ...] = ("sid", "iccid", "unique_name")
_NAMES: Mapping[Naming, tuple[str, ...]] = {
    "sid": ("sid", "simsid"),
    "iccid": ("iccid", "simiccid", "iccidnumber"),
    "unique_name": ("uniquename", "simuniquename"),
}
_TEXT = ("payload", "command", "message", "text")
_OTHERS: Mapping[str, tuple[str, ...]] = {
    "status": ("simstatus", "targetstatus"),
    "fleet": ("fleetsid", "fleetname", "fleetuniquename"),
    "rate_plan": ("rateplansid", "rateplanname", "rateplanuniquename"),
    "account_sid": ("account",),
    "registration_code": ("simregistrationcode", "regcode"),
    "payload": _TEXT,
    "command": _TEXT,
}
_NEW_NAME = "newname"


def squeezed(heading: str) -> str:
    """A heading without what people vary: letter case, spaces, dashes, underscores, quotes."""
    return re.sub(r"[\W_]+", "", heading.lower())


def aliases_of(product: Product, action: Action) -> dict[str, str]:
    """Squeezed heading -> keyword, of what the action takes."""
    return {
        alias: keyword
        for keyword in keywords(product, action)
        for alias in (squeezed(keyword), *_OTHERS.get(keyword, ()))
    }


def names_of(action: Action) -> dict[str, Naming]:
    """Squeezed heading -> what it names a SIM by."""
    usable = ("iccid",) if action is Action.REGISTER else PREFERENCE
    return {alias: naming for naming in usable for alias in _NAMES[naming]}


def is_known(heading: str, product: Product, action: Action) -> bool:
    """Tell whether a squeezed heading is one that a job looks for."""
    return heading in names_of(action) or meaning(heading, aliases_of(product, action)) is not None


def keyword_of(heading: str, product: Product, action: Action) -> str:
    """The keyword that a column is for; ValueError if the action takes no such column."""
    aliases = aliases_of(product, action)
    found = meaning(squeezed(heading), aliases)
    if found is not None:
        return found[0]
    near = closest_match(squeezed(heading), aliases)
    known = ", ".join(keywords(product, action)) or "none"
    hint = f"did you mean {aliases[near]!r}?" if near else f"it takes {known}"
    raise ValueError(
        f"columns: a {product.label} {action} job cannot apply a column {heading!r}; {hint}"
    )


def near_miss(heading: str, product: Product, action: Action) -> str | None:
    """What a heading that is not known may have been meant to be, in words."""
    plain = squeezed(heading)
    other = Product.WIRELESS if product is Product.SUPERSIM else Product.SUPERSIM
    if action is Action.UPDATE and meaning(plain, aliases_of(other, action)):
        return f"a {product.label} Sim has no such thing"
    known = {**aliases_of(product, action), **names_of(action)}
    near = closest_match(plain, known)
    return f"did you mean {known[near]!r}?" if near else None


def meaning(heading: str, aliases: Mapping[str, str]) -> tuple[str, bool] | None:
    """The keyword of a heading, and whether it says that it has the new value."""
    if heading == _NEW_NAME and "unique_name" in aliases.values():
        return "unique_name", True
    if heading in aliases:
        return aliases[heading], False
    stem = heading.removeprefix("new")
    return (aliases[stem], True) if stem in aliases else None

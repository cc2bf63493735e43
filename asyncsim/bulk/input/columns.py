"""Columns of an input: which name the SIM, which are applied, which are only copied."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence

from attrs import frozen

from asyncsim.bulk.actions import Action, keywords, required
from asyncsim.bulk.records import Naming
from asyncsim.suggestions import did_you_mean
from asyncsim.vendors import Product

# Best first: a SID is never reused, a unique name can be given to another SIM.
_NAMINGS: Mapping[Naming, tuple[str, ...]] = {
    "sid": ("sid", "simsid"),
    "iccid": ("iccid", "simiccid", "iccidnumber"),
    "unique_name": ("uniquename", "simuniquename"),
}
_TEXT = ("payload", "command", "message", "text")
# Exports of the vendors' consoles and hand-made lists spell these differently.
_ALIASES: Mapping[str, tuple[str, ...]] = {
    "status": ("simstatus", "targetstatus"),
    "fleet": ("fleetsid", "fleetname", "fleetuniquename"),
    "rate_plan": ("rateplansid", "rateplanname", "rateplanuniquename"),
    "account_sid": ("account",),
    "registration_code": ("simregistrationcode", "regcode"),
    "payload": _TEXT,
    "command": _TEXT,
}
_LONGEST_HEADER = 200  # characters that messages show


@frozen(kw_only=True)
class ColumnRequest:
    """Which columns a job applies."""

    product: Product
    action: Action
    given: Collection[str]
    """Keywords that every row gets."""
    columns: frozenset[str] | None
    """Keywords to apply from columns; None: see `applies`."""
    vendor_columns: bool = False
    """The input has columns that no one chose, as the vendor's own records do."""

    def applies(self, keyword: str) -> bool:
        """Tell whether a column of this keyword is applied."""
        if self.columns is not None:
            return keyword in self.columns
        if keyword in required(self.product, self.action):
            # A required keyword: a column that has it was filled in for this purpose.
            return keyword not in self.given
        # If `change` is given, a column `status` is most likely the current status, exported.
        return not self.given and not self.vendor_columns


@frozen(kw_only=True)
class Columns:
    """Positions of the columns that are used."""

    names: Sequence[tuple[Naming, int]] = ()
    """Columns that name the SIM, the best first."""
    changes: tuple[tuple[str, int], ...] = ()
    """Keyword and position of each column that is applied."""
    renaming: int | None = None
    """Position of a unique name that is a change only if a SID or ICCID names the SIM."""
    notes: tuple[str, ...] = ()
    """Columns that may have been meant and are not applied."""

    @property
    def applied(self) -> tuple[str, ...]:
        """Keywords that are taken from columns."""
        return tuple(keyword for keyword, _ in self.changes)


NO_COLUMNS = Columns()
"""Input without a header: the first cell names the SIM."""


class HeaderError(ValueError):
    """A header that cannot be used; `problems` says why."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


# Headings to keywords.


def normalized(heading: str) -> str:
    """Return a heading without case, spaces, dashes and underscores, which people vary."""
    return re.sub(r"[\W_]+", "", heading.lower())


def names_iccids(heading: str) -> bool:
    """Tell whether a column of this heading holds ICCIDs."""
    return normalized(heading) in _NAMINGS["iccid"]


def _keyword_aliases(product: Product, action: Action) -> dict[str, str]:
    """Normalized heading -> keyword, for all that the action takes."""
    return {
        alias: keyword
        for keyword in keywords(product, action)
        for alias in (normalized(keyword), *_ALIASES.get(keyword, ()))
    }


def _naming_aliases(action: Action) -> dict[str, Naming]:
    """Normalized heading -> the kind of name it holds."""
    # A SIM that is not registered yet has no SID and no name.
    usable = ("iccid",) if action is Action.REGISTER else tuple(_NAMINGS)
    return {alias: naming for naming in usable for alias in _NAMINGS[naming]}


def _find_keyword(heading: str, aliases: Mapping[str, str]) -> tuple[str, bool] | None:
    """Return the keyword of a normalized heading, and whether it says "new": `new_status`."""
    # People write `new_name`; the keyword would be `new_unique_name`.
    if heading == "newname" and "unique_name" in aliases.values():
        return "unique_name", True
    if heading in aliases:
        return aliases[heading], False
    stem = heading.removeprefix("new")
    return (aliases[stem], True) if stem in aliases else None


def is_known_heading(heading: str, product: Product, action: Action) -> bool:
    """Tell whether a job knows a heading."""
    plain = normalized(heading)
    aliases = _keyword_aliases(product, action)
    return plain in _naming_aliases(action) or _find_keyword(plain, aliases) is not None


def keyword_of(heading: str, product: Product, action: Action) -> str:
    """Return the keyword of a column that a caller names; ValueError if the action has none."""
    aliases = _keyword_aliases(product, action)
    found = _find_keyword(normalized(heading), aliases)
    if found is not None:
        return found[0]
    known = ", ".join(keywords(product, action)) or "no columns"
    hint = did_you_mean(normalized(heading), aliases, f"it takes {known}", names=aliases)
    raise ValueError(
        f"columns: a {product.label} {action} job cannot apply a column {heading!r}; {hint}"
    )


# A whole header.


def parse_header(header: Sequence[str], request: ColumnRequest) -> Columns:
    """Decide the use of each column; HeaderError lists all problems."""
    header = [heading.strip() for heading in header]
    namings = _naming_aliases(request.action)
    aliases = _keyword_aliases(request.product, request.action)
    names: dict[Naming, list[int]] = {}
    plain: dict[str, list[int]] = {}
    new: dict[str, list[int]] = {}
    unknown: list[str] = []
    for place, heading in enumerate(header):
        if (short := normalized(heading)) in namings:
            names.setdefault(namings[short], []).append(place)
        elif found := _find_keyword(short, aliases):
            (new if found[1] else plain).setdefault(found[0], []).append(place)
        else:
            unknown.append(heading)
    # `new_status` next to `status`: the target and the current value, as in many lists.
    changes = {**plain, **new}
    if "unique_name" in aliases.values() and "unique_name" in names:
        changes.setdefault("unique_name", names["unique_name"])
    if problems := [*_header_problems(header, request, names, changes)]:
        raise HeaderError(problems)

    best_first: list[tuple[Naming, int]] = [
        (naming, names[naming][0]) for naming in _NAMINGS if naming in names
    ]
    places = {keyword: columns[0] for keyword, columns in changes.items()}
    renaming = places.get("unique_name")
    if ("unique_name", renaming) not in best_first:
        renaming = None  # a column `new_name` is always a change
    elif len(best_first) == 1:
        del places["unique_name"]  # nothing else names the SIM
    applied = [(key, place) for key, place in places.items() if request.applies(key)]
    carried = sorted(set(places.values()) - {place for _, place in applied})
    notes = _header_notes(header, request, carried, unknown)
    return Columns(
        names=best_first,
        changes=tuple(sorted(applied, key=lambda one: one[1])),
        renaming=renaming,
        notes=() if request.vendor_columns else tuple(notes),
    )


def _header_problems(
    header: Sequence[str],
    request: ColumnRequest,
    names: Mapping[Naming, Sequence[int]],
    changes: Mapping[str, Sequence[int]],
) -> Iterator[str]:
    applied = [places for keyword, places in changes.items() if request.applies(keyword)]
    groups = {tuple(places) for places in (*names.values(), *applied)}
    for group in sorted(group for group in groups if len(group) > 1):
        headings = " and ".join(repr(header[place]) for place in group)
        yield f"the columns {headings} mean the same; remove or rename all but one"
    text = ", ".join(header)
    found = f"found: {text if len(text) <= _LONGEST_HEADER else text[:_LONGEST_HEADER] + '...'}"
    if not names:
        usable = dict.fromkeys(_naming_aliases(request.action).values())
        *first, last = usable
        known = f"{', '.join(first)} or {last}" if first else last
        yield (
            f"no column is called {known}, and the first line does not begin with an ICCID or a SID"
            f" ({found})"
        )
    for keyword in sorted(request.columns or ()):
        if keyword not in changes:
            yield f"no column {keyword} to apply ({found})"


def _header_notes(
    header: Sequence[str], request: ColumnRequest, carried: Sequence[int], unknown: Sequence[str]
) -> Iterator[str]:
    """Columns that may have been meant and are not applied."""
    # One warning for all of them: a list of SIMs has a dozen such columns.
    listed = ", ".join(repr(header[place]) for place in carried)
    if len(carried) == 1:
        yield (
            f"the column {listed} could be applied but is not, it is only copied to the results;"
            " name it among the columns to apply it"
        )
    elif carried:
        yield (
            f"the columns {listed} could be applied but are not, they are only copied to the"
            " results; name those to apply among the columns"
        )
    if request.given or request.columns is not None:
        return  # the columns do not specify the change, so any heading is allowed
    product, action = request.product, request.action
    other = Product.WIRELESS if product is Product.SUPERSIM else Product.SUPERSIM
    known = {**_keyword_aliases(product, action), **_naming_aliases(action)}
    for heading in unknown:
        plain = normalized(heading)
        hint = did_you_mean(plain, known, "", names=known)
        if action is Action.UPDATE and _find_keyword(plain, _keyword_aliases(other, action)):
            hint = f"a {product.label} Sim has no such field"
        if hint:
            yield f"the column {heading!r} is only copied to the results: {hint}"

"""Columns: what each is called, what names the SIM, what is applied, what is carried along."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from attrs import frozen

from asyncsim.bulk.actions import Action, keywords, required
from asyncsim.bulk.rows import Naming
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
_LONGEST = 200  # characters of a header that messages show
_NEW_NAME = "newname"


def squeezed(heading: str) -> str:
    """A heading without what people vary: letter case, spaces, dashes, underscores, quotes."""
    return re.sub(r"[\W_]+", "", heading.lower())


def _aliases(product: Product, action: Action) -> dict[str, str]:
    """Squeezed heading -> keyword, of what the action takes."""
    return {
        alias: keyword
        for keyword in keywords(product, action)
        for alias in (squeezed(keyword), *_OTHERS.get(keyword, ()))
    }


def _names(action: Action) -> dict[str, Naming]:
    """Squeezed heading -> what it names a SIM by."""
    usable = ("iccid",) if action is Action.REGISTER else PREFERENCE
    return {alias: naming for naming in usable for alias in _NAMES[naming]}


def is_known(heading: str, product: Product, action: Action) -> bool:
    """Tell whether a squeezed heading is one that a job looks for."""
    return heading in _names(action) or _meaning(heading, _aliases(product, action)) is not None


def keyword_of(heading: str, product: Product, action: Action) -> str:
    """The keyword that a column is for; ValueError if the action takes no such column."""
    aliases = _aliases(product, action)
    found = _meaning(squeezed(heading), aliases)
    if found is not None:
        return found[0]
    close = difflib.get_close_matches(squeezed(heading), list(aliases), n=1)
    known = ", ".join(keywords(product, action)) or "none"
    hint = f"did you mean {aliases[close[0]]!r}?" if close else f"it takes {known}"
    raise ValueError(
        f"columns: a {product.label} {action} job cannot apply a column {heading!r}; {hint}"
    )


def _meaning(heading: str, aliases: Mapping[str, str]) -> tuple[str, bool] | None:
    """The keyword of a heading, and whether it says that it has the new value."""
    if heading == _NEW_NAME and "unique_name" in aliases.values():
        return "unique_name", True
    if heading in aliases:
        return aliases[heading], False
    stem = heading.removeprefix("new")
    return (aliases[stem], True) if stem in aliases else None


@frozen(kw_only=True)
class Columns:
    """Where in a row to look for what."""

    names: Sequence[tuple[Naming, int]]
    """What names the SIM, the best first."""
    changes: tuple[tuple[str, int], ...]
    """Keyword and place of what is applied."""
    renaming: int | None
    """Place of a unique name that is a change only where something better names the SIM."""
    carried: tuple[str, ...]
    """Headings of columns that could be applied and are not."""

    @property
    def applied(self) -> tuple[str, ...]:
        """Keywords that are taken from columns."""
        return tuple(keyword for keyword, _ in self.changes)


BARE = Columns(names=(), changes=(), renaming=None, carried=())
"""Input without a header: the first cell names the SIM."""


@frozen(kw_only=True)
class Wanted:
    """What a job asks of columns."""

    product: Product
    action: Action
    given: Collection[str]
    """Keywords that every row gets."""
    columns: frozenset[str] | None
    """Keywords to be applied from columns; None: see `applies`."""
    shy: bool = False
    """Whether the input has columns that nobody chose, as records of the vendor do."""

    def applies(self, keyword: str) -> bool:
        """Tell whether a column of this keyword is applied."""
        if self.columns is not None:
            return keyword in self.columns
        if keyword in required(self.product, self.action):
            return keyword not in self.given
        return not self.given and not self.shy


class HeaderError(ValueError):
    """A header that cannot be used; `problems` says why."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


def arrange(header: Sequence[str], wanted: Wanted) -> Columns:
    """Find out what each column is for; HeaderError says what cannot be."""
    table = _Table(header, wanted)
    if problems := [*table.doubled(), *table.nameless(), *table.missing()]:
        raise HeaderError(problems)
    return table.columns()


class _Table:
    """A header under examination."""

    def __init__(self, header: Sequence[str], wanted: Wanted) -> None:
        self._header = [heading.strip() for heading in header]
        self._wanted = wanted
        names = _names(wanted.action)
        aliases = _aliases(wanted.product, wanted.action)
        self._names: dict[Naming, list[int]] = {}
        plain: dict[str, list[int]] = {}
        new: dict[str, list[int]] = {}
        for place, heading in enumerate(map(squeezed, header)):
            if heading in names:
                self._names.setdefault(names[heading], []).append(place)
            elif found := _meaning(heading, aliases):
                (new if found[1] else plain).setdefault(found[0], []).append(place)
        # "new status" beside "status" is what is wanted, beside what is.
        self._changes = {**plain, **new}
        if "unique_name" in aliases.values():
            self._changes.setdefault("unique_name", self._names.get("unique_name", []))

    def doubled(self) -> Iterator[str]:
        """Columns that say the same."""
        groups = {tuple(group) for group in (*self._names.values(), *self._changes.values())}
        for group in sorted(group for group in groups if len(group) > 1):
            headings = " and ".join(repr(self._header[place]) for place in group)
            yield f"the columns {headings} mean the same; leave one of them or rename it"

    def nameless(self) -> Iterator[str]:
        """The lack of a column that names SIMs."""
        if not self._names:
            known = _listed(n for n in PREFERENCE if n in _names(self._wanted.action).values())
            yield (
                f"no column is called {known}, and it does not begin with an ICCID or a SID"
                f" ({self._found()})"
            )

    def missing(self) -> Iterator[str]:
        """Columns that were asked for and are not there."""
        for keyword in sorted(self._wanted.columns or ()):
            if not self._changes.get(keyword):
                yield f"there is no column {keyword} that could be applied ({self._found()})"

    def _found(self) -> str:
        text = ", ".join(self._header)
        return f"found: {text if len(text) <= _LONGEST else text[:_LONGEST] + '...'}"

    def columns(self) -> Columns:
        """What was found out."""
        names = [(naming, self._names[naming][0]) for naming in PREFERENCE if naming in self._names]
        places = {keyword: group[0] for keyword, group in self._changes.items() if group}
        renaming = places.get("unique_name")
        if ("unique_name", renaming) not in names:
            renaming = None
        elif len(names) == 1:
            del places["unique_name"]  # nothing else names the SIM
        applied = [(key, place) for key, place in places.items() if self._wanted.applies(key)]
        carried = sorted(set(places.values()) - {place for _, place in applied})
        return Columns(
            names=names,
            changes=tuple(sorted(applied, key=lambda one: one[1])),
            renaming=renaming,
            carried=tuple(self._header[place] for place in carried) if not self._wanted.shy else (),
        )


def _listed(words: Iterable[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} or {last}" if first else last

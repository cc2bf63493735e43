"""Columns: what each is called, what names the SIM, what is applied, what is carried along."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

from attrs import frozen

from asyncsim.bulk.actions import Action, required
from asyncsim.bulk.input.headings import (
    PREFERENCE,
    aliases_of,
    meaning,
    names_of,
    near_miss,
    squeezed,
)
from asyncsim.bulk.records import Naming
from asyncsim.vendors import Product

_LONGEST = 200  # characters of a header that messages show


@frozen(kw_only=True)
class Columns:
    """Where in a row to look for what."""

    names: Sequence[tuple[Naming, int]]
    """What names the SIM, the best first."""
    changes: tuple[tuple[str, int], ...]
    """Keyword and place of what is applied."""
    renaming: int | None
    """Place of a unique name that is a change only where something better names the SIM."""
    notes: tuple[str, ...]
    """What a person may have meant otherwise."""

    @property
    def applied(self) -> tuple[str, ...]:
        """Keywords that are taken from columns."""
        return tuple(keyword for keyword, _ in self.changes)


BARE = Columns(names=(), changes=(), renaming=None, notes=())
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
        names = names_of(wanted.action)
        aliases = aliases_of(wanted.product, wanted.action)
        self._names: dict[Naming, list[int]] = {}
        self._unknown: list[int] = []
        plain: dict[str, list[int]] = {}
        new: dict[str, list[int]] = {}
        for place, heading in enumerate(map(squeezed, header)):
            if heading in names:
                self._names.setdefault(names[heading], []).append(place)
            elif found := meaning(heading, aliases):
                (new if found[1] else plain).setdefault(found[0], []).append(place)
            else:
                self._unknown.append(place)
        # "new status" beside "status" is what is wanted, beside what is.
        self._changes = {**plain, **new}
        if "unique_name" in aliases.values():
            self._changes.setdefault("unique_name", self._names.get("unique_name", []))

    def doubled(self) -> Iterator[str]:
        """Columns that say the same."""
        applied = [self._changes[key] for key in self._changes if self._wanted.applies(key)]
        groups = {tuple(group) for group in (*self._names.values(), *applied)}
        for group in sorted(group for group in groups if len(group) > 1):
            headings = " and ".join(repr(self._header[place]) for place in group)
            yield f"the columns {headings} mean the same; leave one of them or rename it"

    def nameless(self) -> Iterator[str]:
        """The lack of a column that names SIMs."""
        if not self._names:
            known = _listed(n for n in PREFERENCE if n in names_of(self._wanted.action).values())
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
        names: list[tuple[Naming, int]] = [
            (naming, self._names[naming][0]) for naming in PREFERENCE if naming in self._names
        ]
        places = {keyword: group[0] for keyword, group in self._changes.items() if group}
        renaming = places.get("unique_name")
        if ("unique_name", renaming) not in names:
            renaming = None
        elif len(names) == 1:
            del places["unique_name"]  # nothing else names the SIM
        applied = [(key, place) for key, place in places.items() if self._wanted.applies(key)]
        carried = sorted(set(places.values()) - {place for _, place in applied})
        notes = [*self._carried(carried), *self._doubts()]
        return Columns(
            names=names,
            changes=tuple(sorted(applied, key=lambda one: one[1])),
            renaming=renaming,
            notes=() if self._wanted.shy else tuple(notes),
        )

    def _carried(self, places: Sequence[int]) -> Iterator[str]:
        """Columns that may have been meant; one note, as a list of SIMs has a dozen of them."""
        names = ", ".join(repr(self._header[place]) for place in places)
        if len(places) == 1:
            yield (
                f"the column {names} could be applied and is not, it only goes along to the"
                " results; name it among the columns if it is meant"
            )
        elif places:
            yield (
                f"the columns {names} could be applied and are not, they only go along to the"
                " results; name those among the columns that are meant"
            )

    def _doubts(self) -> Iterator[str]:
        """Columns that may have been meant, where it is the columns that say what is asked."""
        if self._wanted.given or self._wanted.columns is not None:
            return
        for heading in (self._header[place] for place in self._unknown):
            if hint := near_miss(heading, self._wanted.product, self._wanted.action):
                yield f"the column {heading!r} only goes along to the results: {hint}"


def _listed(words: Iterable[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} or {last}" if first else last

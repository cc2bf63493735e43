"""The columns of result files: the input's own first, as they came, then what the job adds."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime
from operator import attrgetter
from typing import get_args

from attrs import frozen

from asyncsim.bulk.journal import Journal
from asyncsim.bulk.records import Naming, Result, State, Verdict

PREFIX = "asyncsim_"
"""How added columns begin, so that a job that reads them back takes none of them for its own."""
_HOPELESS = {
    Verdict.UNKNOWN: "unknown SIM: not in this account and product",
    Verdict.ILLEGAL: "illegal transition: no request leads there from {!r}",
    Verdict.TERMINAL: "terminal: nothing leads out of {!r}",
    Verdict.UNREADABLE: "unreadable: what the vendor shows of it cannot be read",
}
_OPEN = {
    State.SENDING: "perhaps sent: the run ended before an answer came",
    State.UNKNOWN: "perhaps sent: the run ended before an answer came",
    State.ACCEPTED: "accepted, not settled yet",
}
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@frozen(kw_only=True)
class InputColumns:
    """The input's columns; for input without a header, made up."""

    header: tuple[str, ...]
    namings: tuple[str, ...] | None
    """Which of them hold bare names; None: the input had a header."""

    def cells(self, result: Result) -> Sequence[str]:
        """The input's cells of a row, as they came."""
        cells = result.cells or (result.name,)
        if self.namings is None:
            return cells
        names = [cells[0] if result.naming == one else "" for one in self.namings]
        padding = [""] * (len(self.header) - len(names) - len(cells) + 1)
        return [*names, *cells[1:], *padding]


async def input_columns(journal: Journal) -> InputColumns:
    """Find out which columns the input has; one without a header is looked through for that."""
    if journal.header is not None:
        return InputColumns(header=journal.header, namings=None)
    namings: set[Naming] = set()
    widest = 1
    async with aclosing(journal.results()) as results:
        async for result in results:
            namings.add(result.naming)
            widest = max(widest, len(result.cells or ()))
    sorts = tuple(one for one in get_args(Naming) if one in namings)
    others = (f"column_{number}" for number in range(2, widest + 1))
    return InputColumns(header=(*sorts, *others), namings=sorts)


def headings(added: Added, taken: Collection[str]) -> list[str]:
    """Headings of added columns; one that the input has already gets a number."""
    known = {one.strip().lower() for one in taken}
    return [_free(PREFIX + name, known) for name in added]


def _free(heading: str, taken: Collection[str]) -> str:
    free, number = heading, 1
    while free in taken:
        number += 1
        free = f"{heading}_{number}"
    return free


def _harmless(value: object) -> str:
    """A value as a cell that no spreadsheet takes for a formula."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = f"{value:.3f}" if isinstance(value, float) else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def message_of(result: Result) -> str | None:
    """Why a row is not at its goal, in words."""
    if result.error is not None:
        return result.error
    if result.state is State.IMPOSSIBLE and result.verdict is not None:
        return _HOPELESS[result.verdict].format(result.before)
    return _OPEN.get(result.state)


Added = Mapping[str, Callable[[Result], object]]
"""Name of an added column, without the prefix -> what stands there."""
REASON: Added = {"result": attrgetter("state.value"), "reason": message_of}
"""What files to be fed in again add."""
RESULT: Added = {
    "result": attrgetter("state.value"),
    "sid": attrgetter("sid"),
    "status_before": attrgetter("before"),
    "status": lambda result: result.status or result.before,
    "error": attrgetter("error_type"),
    "message": message_of,
    "settled_by": attrgetter("settled_by"),
    "confirmed": attrgetter("confirmed"),
    "requests": attrgetter("requests"),
    "seconds": attrgetter("seconds"),
    "ended_at": attrgetter("ended_at"),
    "line": attrgetter("line"),
}
"""What the file of all results adds."""
CREATED: Added = {"created": attrgetter("reference")}
"""What it adds where each row creates something: its SID."""


def cells(added: Added, result: Result) -> list[str]:
    """What a job adds to a row."""
    return [_harmless(value(result)) for value in added.values()]

"""What a piece of work tells of its row, and what is kept of a row while it is awaited."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Protocol

from asyncsim.bulk.records import Ending, Entry, State
from asyncsim.events import RowMoved


class Keeper(Protocol):
    """Who has to know of each step."""

    async def intend(self, entry: Entry) -> None:
        """Return once it is on disk that a row's request will go out."""

    async def wait(self, entry: Entry) -> None:
        """Let others go out while another's change of this SIM is waited for."""

    async def accept(self, entry: Entry, record: Any) -> None:
        """Record that the vendor has taken it; None where its response could not be read."""

    def tag(self, entry: Entry) -> int | Entry:
        """Keep of a row that is awaited no more than is needed at its end."""
        ...


class RowLog:
    """One row's."""

    def __init__(self, keeper: Keeper, entry: Entry) -> None:
        self._keeper = keeper
        self._entry = entry
        self.waits = partial(keeper.wait, entry)
        self.accepted = partial(keeper.accept, entry)

    async def before(self) -> None:
        """Return once it is on disk that its request will go out."""
        await self._keeper.intend(self._entry)

    def tag(self, given: Mapping[str, Any]) -> int | Entry:
        """Return what tells later which row it was."""
        return self._keeper.tag(self._entry)


def tag_of(entry: Entry) -> int | Entry:
    """Keep of a row as little as can be: of one that was named by its SID, its number."""
    plain = entry.name == entry.sid and not entry.change
    return entry.number if plain else entry


def entry_of(tag: int | Entry, name: str) -> Entry:
    """Return a row by what was kept of it, as far as its end needs it."""
    if isinstance(tag, Entry):
        return tag
    return Entry(
        number=tag,
        line=tag,
        name=name,
        naming="sid",
        change=None,
        state=State.ACCEPTED,
        sid=name,
    )


def moved(entry: Entry, ending: Ending) -> RowMoved:
    """Tell observers where a row has come to."""
    return RowMoved(
        row=entry.number,
        name=entry.name,
        sid=ending.sid or entry.sid,
        state=ending.state.value,
        status=ending.status,
        error=type(ending.error).__name__ if ending.error else None,
        message=str(ending.error) if ending.error else None,
        settled_by=ending.settled_by,
        requests=ending.requests,
        seconds=ending.seconds,
    )

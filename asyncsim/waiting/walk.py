"""One walk through the whole list: how far it is, whom it has shown, what it will come to."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import define, field

from asyncsim.core.polling import ListSize, project_size
from asyncsim.core.transition import Transition


@define(eq=False)
class Walk:
    """In pages asked for one after the other."""

    started: float
    waits: int
    """That the list must show, since their changes were accepted before it was begun."""
    unseen: dict[Transition, None]
    """Those it is for, until they are shown."""
    asked: float = field(init=False)
    """When the page that comes next was asked for."""
    pages: int = field(init=False, default=0)
    rows: int = field(init=False, default=0)
    pending: set[str] = field(init=False, factory=set)
    """SIDs of those waits that it shows in a pending status."""
    settled: int = field(init=False, default=0)
    _seen: int = field(init=False, default=0)

    def __attrs_post_init__(self) -> None:
        """Begin."""
        self.asked = self.started

    def shows(self, waits: Sequence[Transition]) -> None:
        """Take note of a row that is about these waits."""
        for wait in waits:
            self.unseen.pop(wait, None)
            self._seen += answered(wait, self.started)

    def turn(self, rows: int, now: float) -> None:
        """Take note of a page, and that the next is asked for."""
        self.pages += 1
        self.rows += rows
        self.asked = now

    @property
    def fleet(self) -> ListSize:
        """What the whole list would be like, by what was shown of it."""
        return project_size(self.pages, self.asked - self.started, self.waits, self._seen)

    @property
    def counted(self) -> ListSize:
        """What it is like, as this was its end."""
        return ListSize(pages=max(self.pages, 1), seconds=self.asked - self.started, whole=True)

    @property
    def rest(self) -> ListSize:
        """What is left of it, by that."""
        whole, took = self.fleet, self.asked - self.started
        return ListSize(pages=whole.pages - self.pages, seconds=whole.seconds - took)


def answered(wait: Transition, before: float) -> bool:
    """Whether a list that was asked for at that moment must show a change."""
    return wait.accepted_at is not None and wait.accepted_at < before

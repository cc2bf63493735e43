"""Index of a watcher's waits by name and SID, and the set of waits covered by sweeps."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator

from asyncsim.core.transition import Transition


class WaitIndex:
    """The waits that have not ended, by SID and by the addressed name."""

    def __init__(self) -> None:
        # A list only if several waits share a name: one for each would cost 64 bytes per wait.
        self._by_name: dict[str, Transition | list[Transition]] = {}
        self._count = 0
        self.posts_pending = 0
        """Waits whose POST is queued or in flight."""

    def add(self, wait: Transition) -> None:
        """Add a wait under its name and, if known, its SID."""
        self._count += wait not in self
        self.posts_pending += wait.post_pending
        self.add_name(wait, wait.name)
        if wait.sid is not None:
            self.add_name(wait, wait.sid)

    def add_name(self, wait: Transition, name: str) -> None:
        """Add another name of a wait."""
        # Several waits may share a name: `await_transition` in two tasks, or a reassigned name.
        found = self._by_name.setdefault(name, wait)
        if isinstance(found, list):
            if wait not in found:
                found.append(wait)
        elif found is not wait:
            self._by_name[name] = [found, wait]

    def post_ended(self, wait: Transition) -> bool:
        """Record the response to a POST; False if its wait has ended already."""
        found = wait in self
        self.posts_pending -= found
        return found

    def remove(self, wait: Transition) -> bool:
        """Remove a wait; False if it was not in the index."""
        if wait not in self:
            return False
        self._count -= 1
        self.posts_pending -= wait.post_pending
        for name in {wait.name, wait.sid or wait.name}:
            found = self._by_name.get(name)
            if found is wait:
                del self._by_name[name]
            elif isinstance(found, list):
                left = [other for other in found if other is not wait]
                self._by_name[name] = left if len(left) > 1 else left[0]
        return True

    @property
    def names(self) -> Container[str]:
        """All names and SIDs of the waits."""
        return self._by_name

    def find(self, *names: str) -> list[Transition]:
        """Return the waits with any of these names, each once."""
        if len(names) == 1 or len(set(names)) == 1:  # as in most callbacks
            return [*self._named(names[0])]
        return list({wait: None for name in names for wait in self._named(name)})

    def _named(self, name: str) -> list[Transition]:
        found = self._by_name.get(name)
        if found is None:
            return []
        return found if isinstance(found, list) else [found]

    def __contains__(self, wait: object) -> bool:
        if not isinstance(wait, Transition):
            return False
        found = self._by_name.get(wait.name)
        return found is wait or (isinstance(found, list) and wait in found)

    def __iter__(self) -> Iterator[Transition]:
        # Each wait once, by its own name; a copy, because the caller may end some meanwhile. Flat:
        # with a call for each name, this would be a third of the time of a sweep of 50,000 waits.
        return iter(
            [
                wait
                for name, found in self._by_name.items()
                for wait in (found if isinstance(found, list) else (found,))
                if wait.name == name
            ]
        )

    def __len__(self) -> int:
        return self._count


class SweepSet:
    """The waits covered by sweeps, counted as they are added and removed.

    Each is marked itself: a set would cost as much as the index again.
    """

    def __init__(self, waits: Iterable[Transition]) -> None:
        self._waits = waits
        # Counted incrementally: the plan needs the numbers after every change, and counting
        # 100,000 waits each time would take milliseconds.
        self._count = 0
        self.expecting = 0
        """Those of them that still expect a callback."""
        self._accepted_sum = 0.0

    def add(self, wait: Transition) -> None:
        """Add a wait whose POST was accepted, or update whether it expects a callback."""
        self.discard(wait)
        wait.join_sweep()
        self._count += 1
        self.expecting += wait.counted_as_expecting
        self._accepted_sum += wait.accepted_at or 0.0

    def discard(self, wait: Transition) -> None:
        """Remove it, if it was counted."""
        if not wait.in_sweep:
            return
        self._count -= 1
        self.expecting -= wait.counted_as_expecting
        self._accepted_sum -= wait.accepted_at or 0.0
        wait.leave_sweep()

    def age(self, now: float) -> float:
        """Average seconds since their changes were accepted."""
        # Never below 0: a sum of many times is rounded, and so are times in a journal.
        return max(now - self._accepted_sum / self._count, 0.0) if self._count else 0.0

    def __iter__(self) -> Iterator[Transition]:
        return (wait for wait in self._waits if wait.in_sweep)

    def __len__(self) -> int:
        return self._count

"""All waits of a watcher, found by SID and by the name they were addressed with."""

from __future__ import annotations

from collections.abc import Container, Iterator

from asyncsim.core.transition import Transition


class Register:
    """The waits that have not ended, each kept once for each of its names and no more."""

    def __init__(self) -> None:
        # Of a name that several share, and only of such a one, a list.
        self._named: dict[str, Transition | list[Transition]] = {}
        self._count = 0

    def add(self, wait: Transition) -> None:
        """Take in a wait under its name and, if known, its SID."""
        self._count += wait not in self
        self.name(wait, wait.name)
        if wait.sid is not None:
            self.name(wait, wait.sid)

    def name(self, wait: Transition, name: str) -> None:
        """Let a wait be found under one more name."""
        found = self._named.setdefault(name, wait)
        if isinstance(found, list):
            if wait not in found:
                found.append(wait)
        elif found is not wait:
            self._named[name] = [found, wait]

    def remove(self, wait: Transition) -> bool:
        """Forget a wait; False when it was not there."""
        if wait not in self:
            return False
        self._count -= 1
        self._drop(wait, wait.name)
        if wait.sid is not None and wait.sid != wait.name:
            self._drop(wait, wait.sid)
        return True

    def _drop(self, wait: Transition, name: str) -> None:
        found = self._named.get(name)
        if found is wait:
            del self._named[name]
        elif isinstance(found, list):
            left = [one for one in found if one is not wait]
            self._named[name] = left if len(left) > 1 else left[0]

    @property
    def names(self) -> Container[str]:
        """All names and SIDs that some wait is known under."""
        return self._named

    def _of(self, name: str) -> list[Transition]:
        found = self._named.get(name)
        if found is None:
            return []
        return found if isinstance(found, list) else [found]

    def of(self, *names: str) -> list[Transition]:
        """Return the waits known under any of these names, each once."""
        if len(set(names)) == 1:  # as in most callbacks
            return [*self._of(names[0])]
        found = {wait: None for name in names for wait in self._of(name)}
        return list(found)

    def __contains__(self, wait: object) -> bool:
        if not isinstance(wait, Transition):
            return False
        found = self._named.get(wait.name)
        return found is wait or (isinstance(found, list) and wait in found)

    def __iter__(self) -> Iterator[Transition]:
        # Under its own name each is met once; a copy, as whoever iterates may let some end.
        found = [(name, one) for name in self._named for one in self._of(name)]
        return (one for name, one in found if one.name == name)

    def __len__(self) -> int:
        return self._count

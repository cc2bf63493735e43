"""All waits of a watcher, found by SID and by the name they were addressed with."""

from __future__ import annotations

from collections.abc import Iterator

from asyncsim.core.transition import Transition


class Register:
    """The waits that have not ended."""

    def __init__(self) -> None:
        self._waits: dict[Transition, None] = {}
        self._by_name: dict[str, list[Transition]] = {}

    def add(self, wait: Transition) -> None:
        """Take in a wait under its name and, if known, its SID."""
        self._waits[wait] = None
        self.name(wait, wait.name)
        if wait.sid is not None:
            self.name(wait, wait.sid)

    def name(self, wait: Transition, name: str) -> None:
        """Let a wait be found under one more name."""
        namesakes = self._by_name.setdefault(name, [])
        if wait not in namesakes:
            namesakes.append(wait)

    def remove(self, wait: Transition) -> bool:
        """Forget a wait; False when it was not there."""
        if wait not in self._waits:
            return False
        del self._waits[wait]
        for name in {wait.name, wait.sid or wait.name}:
            namesakes = [one for one in self._by_name.get(name, ()) if one is not wait]
            if namesakes:
                self._by_name[name] = namesakes
            else:
                self._by_name.pop(name, None)
        return True

    def of(self, *names: str) -> list[Transition]:
        """Return the waits known under any of these names, each once."""
        return list(dict.fromkeys(wait for name in names for wait in self._by_name.get(name, ())))

    def __contains__(self, wait: object) -> bool:
        return wait in self._waits

    def __iter__(self) -> Iterator[Transition]:
        return iter(tuple(self._waits))

    def __len__(self) -> int:
        return len(self._waits)

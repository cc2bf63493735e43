"""What a watcher does while nobody knows whether the client's credentials are refused for good."""

from __future__ import annotations

import copy
from collections.abc import Callable

from asyncsim.core.credentials import Credentials
from asyncsim.core.transition import REFUSALS, Transition
from asyncsim.waiting.reads import Readers
from asyncsim.waiting.waits import Register


class Doubt:
    """One watcher's part in it: its reads pause, but for one that probes."""

    def __init__(
        self,
        credentials: Credentials,
        waits: Register,
        readers: Readers,
        *,
        first: float,
        wake: Callable[[], None],
        end: Callable[[Transition], None],
    ) -> None:
        self._credentials = credentials
        self._waits = waits
        self._readers = readers
        self._first = first
        self._wake = wake
        self._end = end
        credentials.inform(self)

    @property
    def reason(self) -> Exception | None:
        """The latest refusal; None while there is no doubt."""
        return self._credentials.doubt

    def is_own(self, wait: Transition, error: Exception, now: float) -> bool:
        """Whether a refusal is this SIM's own, because other requests succeeded since its last."""
        if not isinstance(error, REFUSALS):
            return False
        before, wait.refused_at = wait.refused_at, now
        return before is not None and self._credentials.worked_at >= before

    def raise_for(self, error: Exception, began: float) -> None:
        """Doubt the credentials if they may be why a read failed; this can end all waits."""
        if isinstance(error, REFUSALS):
            self._credentials.refused(error, began)

    def credentials_changed(self) -> None:
        """Go on with what had to pause, or probe."""
        self._readers.start()
        self._wake()

    def credentials_refused(self, error: Exception) -> None:
        """End all waits, but those whose POST is in flight: its response tells."""
        for wait in self._waits:
            if not wait.post_pending:
                wait.abort(copy.copy(error))
                self._end(wait)

    def due_at(self, now: float) -> float | None:
        """When to probe next; one that could not go out now is tried again soon."""
        due = self._credentials.next_probe_at
        return now + self._first if due is not None and due <= now else due

    def probe(self, now: float) -> None:
        """Read one SIM, if it is time; if there is one that has not been refused, such a one."""
        due = self._credentials.next_probe_at
        if due is None or due > now:
            return
        if self._readers.are_queued:
            self._readers.start()
            return
        able = [one for one in self._waits if not one.post_pending and one not in self._readers]
        fresh = (one for one in able if one.refused_at is None)
        one = next(fresh, able[0] if able else None)
        if one is not None:
            self._readers.ask(one)

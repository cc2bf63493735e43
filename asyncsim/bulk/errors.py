"""Errors of processes that share a job."""

from __future__ import annotations

from asyncsim.errors import JournalError


class Fenced(JournalError):
    """Another process has taken over the chunk or job: this one writes and sends nothing more."""


class LeaseLost(JournalError):
    """A worker could not renew its lease of a chunk in time; another worker may own the chunk.

    `sent` tells whether the change may have been carried out.
    """

    def __init__(self, asked: str, *, sent: bool) -> None:
        self.asked = asked
        self.sent = sent
        state = "it may have been carried out" if sent else "nothing was sent"
        super().__init__(
            f"{asked}: this worker could not reach its database in time, so another worker may own"
            f" the chunk now; {state}"
        )

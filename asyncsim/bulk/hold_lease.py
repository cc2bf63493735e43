"""The lease of a local run on a shared job, which another process could take over."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from asyncsim.bulk.journal import Journal, claims
from asyncsim.bulk.lease import Lease, Moment
from asyncsim.clock import SYSTEM_CLOCK


@contextmanager
def leased(journal: Journal) -> Iterator[Lease | None]:
    """Give the lease under which a journal's rows are sent; None for a file, which has a lock.

    Frozen for a while, a run may find its job taken over when it wakes. Its writes are fenced then,
    but requests whose intents were written before could still be sent.
    """
    hold = journal.hold
    if hold is None or hold.confirmed is None:
        yield None
        return
    # By the clock of its heartbeats, which is never moved by hand.
    lease = Lease(SYSTEM_CLOCK, Moment(*hold.confirmed), seconds=claims.DEAD_AFTER)
    hold.on_beat, hold.on_loss = (lambda *sent: lease.renewed(Moment(*sent))), lease.end
    try:
        yield lease
    finally:
        hold.on_beat = hold.on_loss = None
        lease.close()

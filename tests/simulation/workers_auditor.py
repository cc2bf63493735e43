"""Auditor of leases: nobody writes or sends for a chunk that another process has."""

from __future__ import annotations

from collections.abc import Iterator

from tests.simulation import model
from tests.simulation.gateway import Exchange
from tests.simulation.history import History
from tests.simulation.workers_history import JobHistory

_IN_THE_NETWORK = 0.25
"""Seconds that a request may need from its sender to the gateway."""


def audit_leases(history: History, job: JobHistory, workers: frozenset[str]) -> Iterator[str]:
    """Every violation of the lease-and-epoch protocol; none if all is well."""
    yield from _writes(job, workers)
    for exchange in history.exchanges:
        if exchange.method == "POST" and exchange.sender in workers:
            yield from _request(history, job, exchange)


def _writes(job: JobHistory, workers: frozenset[str]) -> Iterator[str]:
    """Writes of a process that did not have the chunk any more."""
    for one in job.writes:
        if one.process in workers and one.process != one.had_chunk:
            # The whole job is verified at its end, by whoever has it as chunk 0.
            if one.process in job.holders(0, one.time):
                continue
            yield (
                f"row {one.row} of chunk {one.chunk}, which {one.had_chunk} had, was written by"
                f" {one.process} at {one.time:.3f}: {one.before} to {one.after}"
            )


def _request(history: History, job: JobHistory, post: Exchange) -> Iterator[str]:
    """Requests that began or were in flight when another process had the chunk, or in vain."""
    rows = [
        number
        for number, goal in enumerate(history.goals, 1)
        if goal.sid in (post.sid, post.form.get("Sim"))
    ]
    for row in rows:
        chunk, sender, end = job.chunk_of(row), post.sender, post.returned
        if sender not in _holders(job, chunk, post.arrived):
            now = sorted(str(one) for one in job.holders(chunk, post.arrived))
            yield (
                f"sent after its lease: {sender} at {post.arrived:.3f}, for row {row} of chunk"
                f" {chunk}, which {', '.join(now)} had"
            )
        # Its sender kept the connection open until then. One that is frozen cannot close it.
        elif (
            end is not None
            and sender not in _holders(job, chunk, end)
            and not job.is_frozen(sender, end)
        ):
            yield (
                f"in flight after its lease: {sender} from {post.arrived:.3f} to {end:.3f},"
                f" for row {row} of chunk {chunk}"
            )
    if rows and post.sid is not None and _changed_nothing(post):
        yield f"updated after its goal: {post.sid} by {post.sender} at {post.arrived:.3f}"


def _holders(job: JobHistory, chunk: int, moment: float) -> set[str | None]:
    """The processes for which a request, or its end, may have been in the network at a time."""
    earlier = job.holders(chunk, moment - _IN_THE_NETWORK)
    return job.holders(chunk, moment) | earlier | job.holders(0, moment)


def _changed_nothing(post: Exchange) -> bool:
    """Whether the vendor had nothing to do: the SIM was at its target."""
    good = post.carried_out is not None and 200 <= post.carried_out < 300
    return good and not model.is_pending(post.product, post.body)

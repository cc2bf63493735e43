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
    """Requests for a chunk that another process had, or for a SIM that was done."""
    rows = [
        number
        for number, goal in enumerate(history.goals, 1)
        if goal.sid in (post.sid, post.form.get("Sim"))
    ]
    for row in rows:
        chunk = job.chunk_of(row)
        holders = {
            *job.holders(chunk, post.arrived),
            *job.holders(chunk, post.arrived - _IN_THE_NETWORK),
            *job.holders(0, post.arrived),
        }
        if post.sender not in holders:
            now = sorted(str(one) for one in job.holders(chunk, post.arrived))
            yield (
                f"sent after its lease: {post.sender} at {post.arrived:.3f}, for row {row} of chunk"
                f" {chunk}, which {', '.join(now)} had"
            )
    if rows and post.sid is not None and _changed_nothing(post):
        yield f"updated after its goal: {post.sid} by {post.sender} at {post.arrived:.3f}"


def _changed_nothing(post: Exchange) -> bool:
    """Whether the vendor had nothing to do: the SIM was at its target."""
    good = post.carried_out is not None and 200 <= post.carried_out < 300
    return good and not model.is_pending(post.product, post.body)

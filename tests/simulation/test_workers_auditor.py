"""The auditor of leases finds what a zombie does, and nothing in a good story."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from attrs import evolve

from tests.simulation.history import Goal, History
from tests.simulation.test_auditor import ACTIVE, SID, post
from tests.simulation.workers_auditor import audit_leases
from tests.simulation.workers_history import JobHistory, Ownership, RowWrite

WORKERS = frozenset({"worker-1", "worker-2"})


def job(*taken: tuple[float, str]) -> JobHistory:
    """A job of one chunk of one row, and who had taken it when."""
    history = JobHistory(Path("unused"))
    history.first_rows = {1: (1, 1)}
    history.owners = {f"host:1:{process}": process for process in WORKERS}
    history.ownerships = [
        Ownership(at, 1, f"host:1:{process}", epoch, "running")
        for epoch, (at, process) in enumerate(taken, 1)
    ]
    return history


def story(at: float, sender: str, **parts: Any) -> History:
    sent = evolve(post(at), sender=sender, **parts)
    return History(exchanges=[sent], goals=[Goal(SID, {"status": "active"})])


def test_a_worker_may_send_for_the_chunk_that_it_has() -> None:
    history = job((1.0, "worker-1"), (9.0, "worker-2"))
    assert [*audit_leases(story(8.0, "worker-1"), history, WORKERS)] == []
    assert [*audit_leases(story(9.5, "worker-2"), history, WORKERS)] == []


def test_a_request_of_a_worker_that_has_lost_its_chunk_is_found() -> None:
    history = job((1.0, "worker-1"), (9.0, "worker-2"))
    (found,) = audit_leases(story(9.5, "worker-1"), history, WORKERS)
    assert "sent after its lease" in found


def test_a_request_that_was_in_the_network_when_the_chunk_was_taken_is_none() -> None:
    history = job((1.0, "worker-1"), (9.0, "worker-2"))
    assert [*audit_leases(story(9.1, "worker-1"), history, WORKERS)] == []


def test_a_request_in_flight_when_the_chunk_is_taken_is_found_unless_its_sender_is_frozen() -> None:
    history = job((1.0, "worker-1"), (9.0, "worker-2"))
    (found,) = audit_leases(story(8.0, "worker-1", returned=9.5), history, WORKERS)
    assert "in flight after its lease" in found
    assert [*audit_leases(story(8.0, "worker-1", returned=None), history, WORKERS)] == []
    history.frozen = {"worker-1": [(8.5, 12.0)]}
    assert [*audit_leases(story(8.0, "worker-1", returned=9.5), history, WORKERS)] == []


def test_an_update_after_the_goal_is_found() -> None:
    history = story(2.0, "worker-1", carried_out=200, body={"sid": SID, **ACTIVE})
    (found,) = audit_leases(history, job((1.0, "worker-1")), WORKERS)
    assert "updated after its goal" in found


def test_a_write_of_a_worker_that_has_lost_its_chunk_is_found() -> None:
    history = job((1.0, "worker-1"), (9.0, "worker-2"))
    good = RowWrite(8.0, "worker-1", 1, 1, "ready", "sending", "worker-1")
    history.writes = [good]
    assert [*audit_leases(History(), history, WORKERS)] == []
    history.writes = [good, RowWrite(9.5, "worker-1", 1, 1, "sending", "done", "worker-2")]
    (found,) = audit_leases(History(), history, WORKERS)
    assert "which worker-2 had, was written by worker-1" in found

from __future__ import annotations

import gc

import pytest
from attrs import evolve

from asyncsim.core import memory as module
from asyncsim.core.memory import Accepted, Memory
from tests.core.records import HS, NOON, supersim_goal


def accepted(moment: float = 0.0, status: str = "active") -> Accepted:
    return Accepted(supersim_goal(status=status), moment, NOON, None)


def test_a_change_is_found_by_each_of_its_names() -> None:
    memory = Memory()
    change = accepted()
    memory.keep(change, HS, "my sim")
    assert memory.find(HS, 1.0) == change
    assert memory.find("my sim", 1.0) == change
    assert memory.find("another", 1.0) is None


def test_a_later_change_takes_the_place_of_the_earlier() -> None:
    memory = Memory()
    later = accepted(5.0, "inactive")
    memory.keep(accepted(), HS)
    memory.keep(later, HS)
    assert memory.find(HS, 6.0) == later


def test_a_change_is_forgotten_after_an_hour() -> None:
    memory = Memory()
    memory.keep(accepted(100.0), HS)
    assert memory.find(HS, 3700.0) is not None
    assert memory.find(HS, 3700.1) is None


def test_the_oldest_are_forgotten_when_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST", 6)
    memory = Memory()
    for number in range(4):
        memory.keep(accepted(), f"sim {number}")
    memory.keep(accepted(), "sim 0")  # renewed, so no longer the oldest
    memory.keep(accepted(), "sim 4")
    found = [number for number in range(5) if memory.find(f"sim {number}", 0.0) is not None]
    assert found == [0, 3, 4]


@pytest.mark.parametrize("changes", [100_000, 123_456, 150_000])
def test_any_number_of_changes_keeps_a_hundred_thousand_at_most(changes: int) -> None:
    memory = Memory()
    change = accepted()
    for number in range(changes):
        memory.keep(change, f"sim {number}")
    assert 50_000 <= len(memory) <= 100_000
    for number in (changes - 1, changes - 50_000):
        assert memory.find(f"sim {number}", 0.0) == change


def test_what_is_remembered_is_nothing_to_the_garbage_collector() -> None:
    memory = Memory()
    change = accepted()
    gc.collect()
    before = len(gc.get_objects())
    for number in range(1000):
        memory.keep(evolve(change, answered_at=float(number)), f"sim {number}")
    gc.collect()
    assert len(gc.get_objects()) - before < 10


def test_no_repr_shows_the_ticket() -> None:
    assert "ticket-1" not in repr(evolve(accepted(), nonce="ticket-1"))

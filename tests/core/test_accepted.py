from __future__ import annotations

import gc

import pytest
from attrs import evolve

from asyncsim.core import accepted as module
from asyncsim.core.accepted import AcceptedChange, AcceptedChanges
from tests.core.records import HS, NOON, supersim_goal


def accepted(moment: float = 0.0, status: str = "active") -> AcceptedChange:
    return AcceptedChange(supersim_goal(status=status), moment, NOON, None)


def test_a_change_is_found_by_each_of_its_names() -> None:
    memory = AcceptedChanges()
    change = accepted()
    memory.remember(change, HS, "my sim")
    assert memory.find(HS) == change
    assert memory.find("my sim") == change
    assert memory.find("another") is None


def test_a_later_change_takes_the_place_of_the_earlier() -> None:
    memory = AcceptedChanges()
    later = accepted(5.0, "inactive")
    memory.remember(accepted(), HS)
    memory.remember(later, HS)
    assert memory.find(HS) == later


def test_the_oldest_are_forgotten_when_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CAPACITY", 6)
    memory = AcceptedChanges()
    for number in range(4):
        memory.remember(accepted(), f"sim {number}")
    memory.remember(accepted(), "sim 0")  # renewed, so no longer the oldest
    memory.remember(accepted(), "sim 4")
    found = [number for number in range(5) if memory.find(f"sim {number}") is not None]
    assert found == [0, 3, 4]
    assert [number for number in range(9) if memory.may_have_forgotten(f"sim {number}")] == [1, 2]


def test_who_is_asked_for_again_is_not_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CAPACITY", 6)
    memory = AcceptedChanges()
    change = accepted()
    memory.remember(change, HS)
    for number in range(40):
        memory.remember(accepted(), f"sim {number}")
        assert memory.find(HS) == change


def test_hardly_anybody_is_taken_for_one_that_was_forgotten() -> None:
    memory = AcceptedChanges()
    change = accepted()
    for number in range(250_000):
        memory.remember(change, f"sim {number}")
    assert all(memory.may_have_forgotten(f"sim {number}") for number in range(0, 150_000, 97))
    wrong = sum(memory.may_have_forgotten(f"another {number}") for number in range(10_000))
    assert wrong < 10


@pytest.mark.parametrize("changes", [100_000, 123_456, 150_000])
def test_any_number_of_changes_keeps_a_hundred_thousand_at_most(changes: int) -> None:
    memory = AcceptedChanges()
    change = accepted()
    for number in range(changes):
        memory.remember(change, f"sim {number}")
    assert 50_000 <= len(memory) <= 100_000
    for number in (changes - 1, changes - 50_000):
        assert memory.find(f"sim {number}") == change


def test_what_is_remembered_is_nothing_to_the_garbage_collector() -> None:
    memory = AcceptedChanges()
    change = accepted()
    gc.collect()
    before = len(gc.get_objects())
    for number in range(1000):
        memory.remember(evolve(change, accepted_at=float(number)), f"sim {number}")
    gc.collect()
    assert len(gc.get_objects()) - before < 10


def test_no_repr_shows_the_ticket() -> None:
    assert "ticket-1" not in repr(evolve(accepted(), nonce="ticket-1"))

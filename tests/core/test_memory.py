from __future__ import annotations

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
    assert memory.find(HS, 1.0) is change
    assert memory.find("my sim", 1.0) is change
    assert memory.find("another", 1.0) is None


def test_a_later_change_takes_the_place_of_the_earlier() -> None:
    memory = Memory()
    later = accepted(5.0, "inactive")
    memory.keep(accepted(), HS)
    memory.keep(later, HS)
    assert memory.find(HS, 6.0) is later


def test_a_change_is_forgotten_after_an_hour() -> None:
    memory = Memory()
    memory.keep(accepted(100.0), HS)
    assert memory.find(HS, 3700.0) is not None
    assert memory.find(HS, 3700.1) is None
    assert memory.find(HS, 100.0) is None


def test_the_oldest_is_forgotten_when_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST", 3)
    memory = Memory()
    for number in range(3):
        memory.keep(accepted(), f"sim {number}")
    memory.keep(accepted(), "sim 0")  # renewed, so no longer the oldest
    memory.keep(accepted(), "sim 3")
    assert memory.find("sim 1", 0.0) is None
    assert all(memory.find(f"sim {number}", 0.0) for number in (0, 2, 3))


def test_a_million_changes_keep_no_more_than_a_hundred_thousand() -> None:
    memory = Memory()
    change = accepted()
    for number in range(150_000):
        memory.keep(change, f"sim {number}")
    assert len(memory._accepted) == 100_000
    assert memory.find("sim 149999", 0.0) is change


def test_no_repr_shows_the_ticket() -> None:
    assert "ticket-1" not in repr(evolve(accepted(), nonce="ticket-1"))

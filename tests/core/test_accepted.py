from __future__ import annotations

import gc

import pytest
from attrs import evolve

from asyncsim.core import accepted as module
from asyncsim.core.accepted import AcceptedChange, AcceptedChanges
from tests.core.records import HS, NOON, supersim_goal


def accepted(accepted_at: float = 0.0, status: str = "active") -> AcceptedChange:
    return AcceptedChange(supersim_goal(status=status), accepted_at, NOON, None)


def test_a_change_is_found_by_its_sid_and_by_its_unique_name() -> None:
    cache = AcceptedChanges()
    change = accepted()
    cache.remember(change, HS, "my sim")
    assert cache.find(HS) == change
    assert cache.find("my sim") == change
    assert cache.find("another") is None


def test_a_later_change_replaces_the_earlier_one() -> None:
    cache = AcceptedChanges()
    later = accepted(5.0, "inactive")
    cache.remember(accepted(), HS)
    cache.remember(later, HS)
    assert cache.find(HS) == later


def test_the_oldest_changes_are_evicted_at_capacity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CAPACITY", 6)
    cache = AcceptedChanges()
    for number in range(4):
        cache.remember(accepted(), f"sim {number}")
    cache.remember(accepted(), "sim 0")  # replaced, so no longer the oldest
    cache.remember(accepted(), "sim 4")
    found = [number for number in range(5) if cache.find(f"sim {number}") is not None]
    assert found == [0, 3, 4]
    assert [number for number in range(9) if cache.may_have_forgotten(f"sim {number}")] == [1, 2]


def test_a_change_that_is_looked_up_often_is_not_evicted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CAPACITY", 6)
    cache = AcceptedChanges()
    change = accepted()
    cache.remember(change, HS)
    for number in range(40):
        cache.remember(accepted(), f"sim {number}")
        assert cache.find(HS) == change


def test_may_have_forgotten_has_no_false_negatives_and_few_false_positives() -> None:
    cache = AcceptedChanges()
    change = accepted()
    for number in range(250_000):
        cache.remember(change, f"sim {number}")
    assert all(cache.may_have_forgotten(f"sim {number}") for number in range(0, 150_000, 97))
    false_positives = sum(cache.may_have_forgotten(f"another {number}") for number in range(10_000))
    assert false_positives < 10


@pytest.mark.parametrize("changes", [100_000, 123_456, 150_000])
def test_the_cache_keeps_50_000_to_100_000_changes(changes: int) -> None:
    cache = AcceptedChanges()
    change = accepted()
    for number in range(changes):
        cache.remember(change, f"sim {number}")
    assert 50_000 <= len(cache) <= 100_000
    for number in (changes - 1, changes - 50_000):
        assert cache.find(f"sim {number}") == change


def count_tracked(root: object) -> int:
    """Count what the garbage collector tracks of an object: of all objects, others vary too."""
    found, left = {id(root): root}, [root]
    while left:
        for one in gc.get_referents(left.pop()):
            if id(one) not in found and gc.is_tracked(one) and not isinstance(one, type):
                found[id(one)] = one
                left.append(one)
    return len(found)


def test_cached_changes_add_no_objects_for_the_garbage_collector() -> None:
    cache = AcceptedChanges()
    change = accepted()
    gc.collect()
    before = count_tracked(cache)
    for number in range(1000):
        cache.remember(evolve(change, accepted_at=float(number)), f"sim {number}")
    gc.collect()  # which stops tracking containers of atoms
    assert count_tracked(cache) - before < 10


def test_no_repr_shows_the_ticket() -> None:
    assert "ticket-1" not in repr(evolve(accepted(), nonce="ticket-1"))

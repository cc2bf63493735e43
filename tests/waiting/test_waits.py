from __future__ import annotations

from asyncsim.waiting.waits import SweepSet, WaitIndex
from tests.waiting.builders import wait


def test_waits_are_found_by_each_of_their_names() -> None:
    index, one, two = WaitIndex(), wait("depot", sid="HS1"), wait("HS1")
    index.add(one)
    index.add(two)
    assert index.find("depot") == [one]
    assert index.find("HS1") == [one, two]
    assert index.find("HS1", "depot") == [one, two]
    assert list(index) == [one, two]


def test_a_sid_that_is_learned_later_is_indexed() -> None:
    index, one = WaitIndex(), wait("depot")
    index.add(one)
    one.learn_sid("HS1")
    index.add_name(one, "HS1")
    index.add_name(one, "HS1")
    assert index.find("HS1") == [one]
    assert index.remove(one)
    assert not index.remove(one)
    assert (index.find("HS1", "depot"), len(index), one in index) == ([], 0, False)
    assert "HS1" not in index.names
    assert "depot" not in index.names


def test_posts_are_pending_until_their_response_or_abandonment() -> None:
    index, one, two = WaitIndex(), wait("HS1"), wait("HS2")
    index.add(one)
    index.add(two)
    assert index.posts_pending == 2
    assert index.post_ended(one)
    assert index.posts_pending == 1
    two.abandon()
    index.remove(two)
    assert index.posts_pending == 0
    assert not index.post_ended(two)
    assert index.posts_pending == 0


def test_a_sweep_set_counts_each_wait_once_and_gives_their_mean_age() -> None:
    waits = [wait("HS1", accepted_at=2.0, nonce="n"), wait("HS2", accepted_at=4.0)]
    swept = SweepSet(waits)
    assert swept.age(9.0) == 0.0
    for one in [*waits, *waits]:
        swept.add(one)
    assert (len(swept), swept.expecting, swept.age(9.0)) == (2, 1, 6.0)
    swept.discard(waits[0])
    swept.discard(waits[0])
    assert (list(swept), swept.expecting, swept.age(9.0)) == ([waits[1]], 0, 5.0)

"""Which connections a receiver closes when there are too many."""

import math

from asyncsim.callbacks.crowd import Crowd


def crowd_of(*came: str, most: int = 3) -> Crowd[str]:
    crowd = Crowd[str](most)
    for at, peer in enumerate(came):
        crowd.came(peer, float(at))
    return crowd


def test_those_that_never_brought_a_callback_go_first_and_of_them_the_oldest() -> None:
    crowd = crowd_of("a", "b", "c")
    crowd.served("a", 3.0)
    assert [crowd.make_room(100.0) for _ in range(4)] == ["b", "c", "a", None]


def test_then_those_go_that_were_idle_for_longest() -> None:
    crowd = crowd_of("a", "b", "c")
    for at, peer in enumerate("abcab"):
        crowd.served(peer, 10.0 + at)
    assert [crowd.make_room(100.0) for _ in range(3)] == ["c", "a", "b"]


def test_a_connection_is_sure_of_its_place_for_five_seconds_after_a_callback() -> None:
    crowd = crowd_of("a")
    crowd.served("a", 10.0)
    assert (crowd.make_room(14.9), crowd.yields_at) == (None, 15.0)
    assert crowd.make_room(15.0) == "a"


def test_a_flood_of_new_ones_does_not_cost_a_pool_its_connections() -> None:
    crowd = crowd_of("pooled")
    crowd.served("pooled", 0.0)
    crowd.came("new", 60.0)
    assert crowd.make_room(60.05) is None, "it may be about to bring its first callback"
    assert crowd.make_room(60.1) == "new"


def test_who_left_is_not_closed() -> None:
    crowd = crowd_of("a", "b")
    crowd.served("b", 2.0)
    crowd.left("a")
    crowd.left("b")
    crowd.left("b")
    crowd.served("b", 3.0)
    assert (len(crowd), crowd.make_room(100.0), crowd.yields_at) == (0, None, math.inf)


def test_a_first_request_must_come_within_fifteen_seconds_and_an_idle_one_is_kept_for_long() -> (
    None
):
    crowd = crowd_of("silent", "pooled")
    crowd.served("pooled", 2.0)
    assert (crowd.due_at, crowd.take_overdue(14.9)) == (15.0, [])
    assert (crowd.take_overdue(15.0), crowd.due_at) == (["silent"], 132.0)
    assert (crowd.take_overdue(132.0), crowd.due_at) == (["pooled"], math.inf)

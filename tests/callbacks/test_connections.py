"""Eviction of connections at the limit."""

import math

from asyncsim.callbacks.connections import OpenConnections


def opened(*peers: str, limit: int = 3) -> OpenConnections[str]:
    connections = OpenConnections[str](limit)
    for at, peer in enumerate(peers):
        connections.add(peer, float(at))
    return connections


def test_connections_without_a_callback_are_evicted_first_oldest_first() -> None:
    connections = opened("a", "b", "c")
    connections.request_accepted("a", 3.0)
    assert [connections.evict(100.0) for _ in range(4)] == ["b", "c", "a", None]


def test_next_the_connections_idle_for_longest_are_evicted() -> None:
    connections = opened("a", "b", "c")
    for at, peer in enumerate("abcab"):
        connections.request_accepted(peer, 10.0 + at)
    assert [connections.evict(100.0) for _ in range(3)] == ["c", "a", "b"]


def test_a_connection_is_kept_for_five_seconds_after_a_callback() -> None:
    connections = opened("a")
    connections.request_accepted("a", 10.0)
    assert (connections.evict(14.9), connections.evictable_at) == (None, 15.0)
    assert connections.evict(15.0) == "a"


def test_a_flood_of_new_connections_does_not_evict_a_pool() -> None:
    connections = opened("pooled")
    connections.request_accepted("pooled", 0.0)
    connections.add("new", 60.0)
    assert connections.evict(60.05) is None, "it may be about to bring its first callback"
    assert connections.evict(60.1) == "new"


def test_a_closed_connection_is_not_evicted() -> None:
    connections = opened("a", "b")
    connections.request_accepted("b", 2.0)
    connections.remove("a")
    connections.remove("b")
    connections.remove("b")
    connections.request_accepted("b", 3.0)
    assert (len(connections), connections.evict(100.0), connections.evictable_at) == (
        0,
        None,
        math.inf,
    )


def test_a_first_request_must_arrive_within_15_s_and_later_ones_may_take_long() -> None:
    connections = opened("silent", "pooled")
    connections.request_accepted("pooled", 2.0)
    assert (connections.times_out_at, connections.take_timed_out(14.9)) == (15.0, [])
    assert (connections.take_timed_out(15.0), connections.times_out_at) == (["silent"], 132.0)
    assert (connections.take_timed_out(132.0), connections.times_out_at) == (["pooled"], math.inf)

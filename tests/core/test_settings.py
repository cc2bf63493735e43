from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import attrs
import pytest
from hypothesis import given, strategies as st

from asyncsim.core.settings import RetryPolicy, Throttle, Timeout, Watching

SETTINGS = [Timeout, RetryPolicy, Throttle, Watching]


@pytest.mark.parametrize("kind", SETTINGS)
def test_the_defaults_are_accepted_and_cannot_be_changed(kind: Callable[[], Any]) -> None:
    settings = kind()
    for attribute in attrs.fields(type(settings)):
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            setattr(settings, attribute.name, 1)


def test_the_defaults_are_those_of_the_documentation() -> None:
    assert attrs.astuple(Timeout()) == (30.0, 5.0, 600.0)
    assert attrs.astuple(RetryPolicy()) == (6, 0.25, 30.0, 300.0)
    assert attrs.astuple(Throttle()) == (64, 1, 1024, None)
    assert attrs.astuple(Watching()) == (900.0, 1.0, 30.0, 25, 2.0, 15.0, 10.0, frozenset())


@pytest.mark.parametrize(
    ("kind", "settings", "message"),
    [
        (Timeout, {"request": 0}, "Timeout(request=0): must be a number above 0"),
        (Timeout, {"connect": -1.5}, "Timeout(connect=-1.5): must be a number above 0"),
        (Timeout, {"queue": float("nan")}, "Timeout(queue=nan): must be a number above 0"),
        (Timeout, {"request": float("inf")}, "Timeout(request=inf): must be a number above 0"),
        (Timeout, {"request": "30"}, "Timeout(request='30'): must be a number above 0"),
        (Timeout, {"request": None}, "Timeout(request=None): must be a number above 0"),
        (Timeout, {"request": True}, "Timeout(request=True): must be a number above 0"),
        (RetryPolicy, {"attempts": 0}, "(attempts=0): must be a whole number of at least 1"),
        (RetryPolicy, {"attempts": 2.5}, "(attempts=2.5): must be a whole number of at least 1"),
        (RetryPolicy, {"base": -0.1}, "RetryPolicy(base=-0.1): must be a number of at least 0"),
        (Throttle, {"limit": 0.5}, "Throttle(limit=0.5): must be a number of at least 1"),
        (Throttle, {"minimum": 1.5}, "Throttle(minimum=1.5): must be a whole number"),
        (Throttle, {"max_rps": 0}, "Throttle(max_rps=0): must be a number above 0"),
        (Throttle, {"minimum": 9, "maximum": 8}, "Throttle: minimum=9 is above maximum=8"),
        (Watching, {"sweep_from": 0}, "Watching(sweep_from=0): must be a whole number"),
        (Watching, {"final": "retired"}, "Watching(final='retired'): pass a set of statuses"),
        (Watching, {"final": [" "]}, "Watching(final=[' ']): pass a set of statuses"),
        (Watching, {"final": [None]}, "Watching(final=[None]): pass a set of statuses"),
        (Watching, {"stale_for": -1}, "Watching(stale_for=-1): must be a number of at least 0"),
    ],
)
def test_an_invalid_setting_raises_an_error_that_names_it(
    kind: Callable[..., object], settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        kind(**settings)


def test_boundary_values_are_accepted() -> None:
    RetryPolicy(attempts=1, base=0, cap=0)
    Throttle(limit=1, minimum=1, maximum=1, max_rps=0.1)
    Watching(stale_for=0, sweep_from=1)


@given(
    base=st.floats(0, 10),
    cap=st.floats(0, 100),
    failures=st.integers(1, 10_000),
    draw=st.floats(0, 1),
)
def test_a_pause_is_never_negative_or_above_its_bounds(
    base: float, cap: float, failures: int, draw: float
) -> None:
    pause = RetryPolicy(base=base, cap=cap).pause(failures, draw)
    assert 0 <= pause <= cap
    assert pause <= base * 2.0 ** min(failures - 1, 60)


def test_pauses_double_until_the_cap() -> None:
    policy = RetryPolicy(base=0.25, cap=3.0)
    assert [policy.pause(n, 1.0) for n in range(1, 7)] == [0.25, 0.5, 1.0, 2.0, 3.0, 3.0]
    assert policy.pause(4, 0.0) == 0.0


def test_two_throttles_with_equal_numbers_are_two_limits() -> None:
    assert Throttle() != Throttle()
    assert len({Throttle(), Throttle()}) == 2


def test_for_a_fast_emulator_pauses_shrink_and_deadlines_stay() -> None:
    given = Watching(timeout=60.0, longest=300.0, sweep_from=7, final={"retired"})
    assert given.at_speed(20) == Watching(
        timeout=60.0,
        first=0.05,
        longest=15.0,
        sweep_from=7,
        sweep_every=0.1,
        safety_every=0.75,
        stale_for=0.5,
        final={"retired"},
    )
    assert given.at_speed(1) == given
    assert given.at_speed(0.5).first == 2.0


def test_no_pause_for_an_emulator_is_shorter_than_requests_take_or_longer_than_given() -> None:
    fast = Watching().at_speed(1e6)
    assert {fast.first, fast.longest, fast.sweep_every, fast.stale_for} == {0.05}
    assert fast.safety_every == 0.5
    short = Watching(first=0.01, safety_every=0.02, stale_for=0)
    assert short.at_speed(1e6).first == 0.01
    assert short.at_speed(1e6).safety_every == 0.02
    assert short.at_speed(1e6).stale_for == 0


@pytest.mark.parametrize("speed", [0, -1, float("nan"), float("inf")])
def test_an_impossible_speed_is_rejected(speed: float) -> None:
    with pytest.raises(ValueError, match="must be a number above 0"):
        Watching().at_speed(speed)

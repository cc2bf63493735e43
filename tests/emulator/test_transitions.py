"""The transition tables of both products, stated independently of the emulator's."""

from __future__ import annotations

import pytest

from asyncsim.emulator import Behaviour
from asyncsim.emulator.transitions import AUTOMATIC, calls_back_twice, may_transition
from asyncsim.vendors import Product

SUPERSIM = ["new", "ready", "active", "inactive", "scheduled"]
SUPERSIM_MOVES = {
    ("new", "ready"),
    ("new", "active"),
    ("ready", "active"),
    ("ready", "inactive"),
    ("active", "inactive"),
    ("inactive", "active"),
}
WIRELESS = [
    "new", "ready", "active", "suspended", "deactivated", "canceled", "scheduled", "updating",
]  # fmt: skip
WIRELESS_MOVES = {
    ("new", "ready"),
    ("new", "active"),
    ("new", "deactivated"),
    ("ready", "active"),
    ("ready", "suspended"),
    ("ready", "deactivated"),
    ("active", "suspended"),
    ("active", "deactivated"),
    ("suspended", "active"),
    ("suspended", "deactivated"),
}


@pytest.mark.parametrize("start", SUPERSIM)
@pytest.mark.parametrize("end", SUPERSIM)
def test_supersim_transitions_are_the_documented_ones(start: str, end: str) -> None:
    allowed = may_transition(Product.SUPERSIM, start, end, Behaviour())
    assert allowed is ((start, end) in SUPERSIM_MOVES)


@pytest.mark.parametrize("start", WIRELESS)
@pytest.mark.parametrize("end", WIRELESS)
def test_wireless_transitions_are_the_documented_ones(start: str, end: str) -> None:
    allowed = may_transition(Product.WIRELESS, start, end, Behaviour())
    assert allowed is ((start, end) in WIRELESS_MOVES)


@pytest.mark.parametrize(
    ("product", "start", "end", "behaviour"),
    [
        (Product.SUPERSIM, "new", "inactive", Behaviour(inactive_from_new=True)),
        (Product.WIRELESS, "suspended", "ready", Behaviour(ready_from_suspended=True)),
        (Product.WIRELESS, "deactivated", "active", Behaviour(active_from_deactivated=True)),
    ],
)
def test_undocumented_transitions_are_a_setting(
    product: Product, start: str, end: str, behaviour: Behaviour
) -> None:
    assert may_transition(product, start, end, behaviour)


def test_a_ready_sim_becomes_active_by_itself_and_a_deactivated_one_canceled() -> None:
    supersim, wireless = AUTOMATIC[Product.SUPERSIM], AUTOMATIC[Product.WIRELESS]
    assert {start: move.to for start, move in supersim.items()} == {"ready": "active"}
    assert {start: move.to for start, move in wireless.items()} == {
        "ready": "active",
        "deactivated": "canceled",
    }


@pytest.mark.parametrize(
    ("product", "start", "end", "twice"),
    [
        (Product.WIRELESS, "new", "ready", True),
        (Product.WIRELESS, "active", "deactivated", True),
        (Product.WIRELESS, "new", "active", False),
        (Product.WIRELESS, "suspended", "ready", False),
        (Product.SUPERSIM, "new", "ready", False),
    ],
)
def test_only_two_changes_of_wireless_sims_call_back_twice(
    product: Product, start: str, end: str, twice: bool
) -> None:
    assert calls_back_twice(product, start, end) is twice

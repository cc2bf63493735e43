"""Updates: a change shared by many SIMs is encoded once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from asyncsim.http.content import make_body
from asyncsim.resources.updatable import EncodedChange, EncodedChanges


class Encoder:
    def __init__(self) -> None:
        self.calls: list[Mapping[str, Any]] = []
        self.changes = EncodedChanges(self.encode)

    def encode(self, changes: Mapping[str, Any]) -> EncodedChange:
        self.calls.append(dict(changes))
        return EncodedChange(repr(changes), make_body(repr(changes)), None)


def test_the_same_change_is_encoded_once() -> None:
    encoder = Encoder()
    for _ in range(3):
        encoder.changes.of({"status": "active", "unique_name": None})
    assert len(encoder.calls) == 1


def test_values_that_are_equal_but_differ_in_type_are_encoded_separately() -> None:
    encoder = Encoder()
    assert [encoder.changes.of({"a": one}).form for one in (1, True)] == ["{'a': 1}", "{'a': True}"]


def test_changes_that_differ_per_sim_do_not_accumulate() -> None:
    encoder = Encoder()
    for number in range(1000):
        encoder.changes.of({"unique_name": str(number)})
    assert len(encoder.changes) <= 256


def test_an_unhashable_change_is_encoded_each_time() -> None:
    encoder = Encoder()
    for _ in range(2):
        encoder.changes.of({"a": ["x"]})
    assert len(encoder.calls) == 2

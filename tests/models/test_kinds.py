"""Rules for every declared kind."""

from __future__ import annotations

from typing import Any, Literal, get_args, get_origin, get_type_hints

import attrs
import pytest

from asyncsim.kind import Kind
from asyncsim.models.supersim import fleets, sims as supersim
from asyncsim.models.wireless import rate_plans, sims as wireless

KINDS: list[Kind[Any]] = [supersim.SIMS, fleets.FLEETS, wireless.SIMS, rate_plans.RATE_PLANS]
each = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: f"{kind.product}-{kind.key}")
SIM_KINDS = pytest.mark.parametrize("kind", [supersim.SIMS, wireless.SIMS], ids=lambda k: k.product)


@each
def test_a_record_is_frozen_and_hashable(kind: Kind[Any]) -> None:
    fields = attrs.fields_dict(kind.model)
    record = kind.model(**{n: "x" for n, one in fields.items() if one.default is attrs.NOTHING})
    assert isinstance(hash(record), int)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        record.sid = "other"


@each
def test_a_record_requires_only_its_sid_and_status(kind: Kind[Any]) -> None:
    needed = {one.name for one in attrs.fields(kind.model) if one.default is attrs.NOTHING}
    assert needed <= {"sid", "status"}
    assert "sid" in needed


@SIM_KINDS
def test_compared_fields_exist_in_updates_and_records(kind: Kind[Any]) -> None:
    assert set(kind.compared) <= set(get_type_hints(kind.update))
    assert set(kind.compared.values()) <= set(attrs.fields_dict(kind.model))


@SIM_KINDS
def test_all_fields_but_callbacks_and_the_reset_are_compared(kind: Kind[Any]) -> None:
    uncompared = set(get_type_hints(kind.update)) - set(kind.compared)
    assert uncompared - {"reset_status"} == {"callback_url", "callback_method"}


@SIM_KINDS
def test_pending_statuses_can_be_filtered_by_and_not_be_set(kind: Kind[Any]) -> None:
    listed = set(get_args(get_type_hints(kind.filters)["status"]))
    settable = set(get_args(get_type_hints(kind.update)["status"]))
    assert kind.pending <= listed
    assert not kind.pending & settable


@SIM_KINDS
def test_every_settable_status_is_a_known_status(kind: Kind[Any]) -> None:
    known: set[str] = set()
    for one in get_args(get_type_hints(kind.model)["status"]):
        known |= set(get_args(one)) if get_origin(one) is Literal else set()
    assert set(get_args(get_type_hints(kind.update)["status"])) <= known


def test_a_super_sim_settles_when_it_leaves_scheduled() -> None:
    assert supersim.SIMS.pending == {"scheduled"}


def test_a_programmable_wireless_sim_settles_when_it_leaves_updating_and_scheduled() -> None:
    assert wireless.SIMS.pending == {"updating", "scheduled"}


def test_a_programmable_wireless_update_accepts_the_documented_18_parameters() -> None:
    assert len(get_type_hints(wireless.SimUpdate)) == 18

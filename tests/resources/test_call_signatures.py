from __future__ import annotations

import inspect
from typing import Any, Literal

import pytest

from asyncsim import Client
from asyncsim.models.supersim import sims as supersim
from asyncsim.models.wireless import sims as wireless
from asyncsim.resources.supersim.ip_commands import IpCommands
from asyncsim.resources.supersim.sims import Sims as SuperSims
from asyncsim.resources.wireless.sims import Sims as WirelessSims


def keywords(verb: Any) -> list[str]:
    return [
        name
        for name, parameter in inspect.signature(verb).parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    ]


@pytest.mark.parametrize(
    ("verb", "declared"),
    [
        (SuperSims.update, supersim.SimUpdate),
        (SuperSims.register, supersim.SimRegister),
        (WirelessSims.update, wireless.SimUpdate),
    ],
)
def test_a_verb_shows_the_keywords_it_takes(verb: Any, declared: Any) -> None:
    assert keywords(verb) == list(declared.__annotations__)
    kinds = {parameter.kind for parameter in inspect.signature(verb).parameters.values()}
    assert inspect.Parameter.VAR_KEYWORD not in kinds


def test_a_verb_also_shows_inherited_keywords() -> None:
    assert {"page_size", "status", "iccid", "fleet"} <= set(keywords(SuperSims.list))
    assert {"page_size", "status", "iccid", "eid", "rate_plan"} <= set(keywords(WirelessSims.list))


def test_a_verbs_own_keywords_come_before_those_of_the_change() -> None:
    assert keywords(SuperSims.update_and_wait)[:2] == ["until", "timeout"]
    assert "status" in keywords(SuperSims.update_and_wait)


def test_required_keywords_have_no_default_and_optional_ones_have_one() -> None:
    register = inspect.signature(SuperSims.register).parameters
    update = inspect.signature(SuperSims.update).parameters
    assert register["iccid"].default is inspect.Parameter.empty
    assert update["status"].default is ...


def test_the_signature_of_a_bound_verb_is_what_a_notebook_completes() -> None:
    sims = Client.twilio("AC1", "token").supersim.sims
    assert list(inspect.signature(sims.update).parameters)[:3] == ["sid", "unique_name", "status"]


def test_the_client_signature_shows_its_settings() -> None:
    shown = keywords(Client.twilio)
    assert shown[:2] == ["api_key", "api_secret"]
    assert {"hosts", "session", "receiver", "observers", "clock"} <= set(shown)


def test_keywords_marked_not_required_have_a_default() -> None:
    create = inspect.signature(IpCommands.create).parameters
    needed = [name for name in keywords(IpCommands.create) if not has_default(create[name])]
    assert needed == ["sim", "payload", "device_port"]
    assert create["payload_type"].annotation == Literal["text", "binary"]


def has_default(parameter: inspect.Parameter) -> bool:
    return parameter.default is not inspect.Parameter.empty

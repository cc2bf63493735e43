"""Namespaces, which create their resources on first use."""

from __future__ import annotations

import subprocess
import sys

import pytest

from asyncsim import Client


@pytest.fixture
def client() -> Client:
    return Client.twilio("AC" + "1" * 32, "auth-token")


def test_a_resource_is_created_once(client: Client) -> None:
    assert client.supersim.sims is client.supersim.sims


def test_completion_lists_resources_that_are_not_created_yet(client: Client) -> None:
    assert {"fleets", "sims", "sms_commands"} <= set(dir(client.supersim))


def test_a_resource_that_does_not_exist_is_an_attribute_error(client: Client) -> None:
    with pytest.raises(AttributeError, match="'SuperSim' has no resource 'rate_plans'"):
        _ = client.supersim.rate_plans  # type: ignore[attr-defined]  # tested here


def test_only_what_is_used_is_imported() -> None:
    code = (
        "import sys; from asyncsim import Client; Client.twilio('AC1', 'token').supersim.sims;"
        " sys.exit('asyncsim.resources.supersim.usage_records' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

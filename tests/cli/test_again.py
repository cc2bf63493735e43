"""The command that a person is told to type."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from asyncsim.cli import again


def started_as(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [path])
    again.remember(["activate", "my batch.csv", "--status", "ready"])


@pytest.mark.parametrize("path", ["asyncsim", "/nowhere/else"])
def test_it_is_quoted_for_a_shell(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    started_as(path, monkeypatch)
    assert again.command() == "asyncsim activate 'my batch.csv' --status ready"


def test_a_module_is_started_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    started_as("/lib/asyncsim/cli/__main__.py", monkeypatch)
    assert again.command().startswith(f"{sys.executable} -m asyncsim.cli activate ")


def test_another_environment_than_the_one_on_the_path_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "asyncsim").touch()
    started_as(str(tmp_path / "asyncsim"), monkeypatch)
    assert again.command().startswith(f"{tmp_path}/asyncsim activate ")

"""Modules loaded at start-up, so that `--help` responds without delay."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

from asyncsim.cli.app import app

LAZY = (
    "aiohttp.web",
    "asyncsim.bulk",
    "asyncsim.emulator",
    "sqlalchemy",
    "sqlite3",
    "platformdirs",
    "tomlkit",
    "tomllib",
)
MOST = 700  # modules; of these aiohttp brings some 350, cyclopts 130, Python itself the rest


@pytest.mark.parametrize("option", ["--version", "--help"])
def test_help_and_version_load_neither_the_database_nor_the_emulator(option: str) -> None:
    code = f"""
import sys
sys.argv = ["asyncsim", {option!r}]
from asyncsim.cli import main
try:
    main()
finally:
    loaded = [name for name in {LAZY!r} if name in sys.modules]
    print(len(sys.modules), *loaded, file=sys.stderr)
"""
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    number, *loaded = ended.stderr.split()
    assert loaded == []
    assert int(number) <= MOST


@pytest.mark.parametrize("name", ["demo", "emulate", "activate"])
def test_the_help_of_a_command_is_its_functions_docstring(name: str) -> None:
    command = app[name]
    assert command.help == inspect.getdoc(command.default_command)

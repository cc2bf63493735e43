"""Modules loaded at start-up, so that `--help` responds without delay."""

from __future__ import annotations

import inspect
import os
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from asyncsim import __version__
from asyncsim.cli.app import app

ROOT = Path(__file__).parents[2]

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


def start(
    folder: Path, *arguments: str, ignoring: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run the command as its script does; modules in the folder come first."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    module, function = project["scripts"]["asyncsim"].split(":")
    handler = signal.SIG_IGN if ignoring else signal.default_int_handler
    return subprocess.run(
        [sys.executable, "-c", f"from {module} import {function}\n{function}()", *arguments],
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
        # A test runner in the background ignores SIGINT, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, handler),
    )


INTERRUPT = "import os, signal; os.kill(os.getpid(), signal.SIGINT)"
# Python reports an exception there, and goes on.
IN_A_CALLBACK = f"""
import weakref
def call(reference):
    {INTERRUPT}
class Referenced: pass
reference = weakref.ref(Referenced(), call)
raise SystemExit("it went on")
"""


@pytest.mark.parametrize("code", [INTERRUPT, IN_A_CALLBACK], ids=["module", "callback"])
@pytest.mark.parametrize("imported", ["attrs", "cyclopts"])  # by the package, by the command line
def test_ctrl_c_during_the_imports_is_one_line(tmp_path: Path, imported: str, code: str) -> None:
    (tmp_path / f"{imported}.py").write_text(code)
    ended = start(tmp_path, "--version")
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "asyncsim: cancelled\n")


def test_a_start_that_ignores_ctrl_c_goes_on(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        f"""
import sys
class Finder:
    def find_spec(name, *_):
        if name == "cyclopts":
            {INTERRUPT}
sys.meta_path.insert(0, Finder)
"""
    )
    assert start(tmp_path, "--version").returncode == 130
    ended = start(tmp_path, "--version", ignoring=True)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, f"{__version__}\n", "")

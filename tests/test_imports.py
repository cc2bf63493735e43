"""Import rules: the layers, and what `import asyncsim` must not load."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# Packages that a service which only sends requests need not load.
HEAVY = (
    *("aiohttp.web", "cyclopts", "pandas", "rich", "sqlalchemy", "sqlite3"),
    *("opentelemetry", "prometheus_client"),
    *("asyncsim.postgres", "procrastinate", "psycopg"),
    *("asyncsim.bulk", "asyncsim.emulator", "asyncsim.interactive", "asyncsim.reprs"),
    *("asyncsim.tables", "nanoarrow", "polars"),
    *("asyncsim.displays", "asyncsim.plots", "altair", "IPython", "marimo"),
)


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command], cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_every_module_imports_from_lower_layers_only() -> None:
    # The console script; its cache would hide imports of newer modules.
    checked = run("-c", "from importlinter.cli import lint_imports_command as c; c()", "--no-cache")
    assert checked.returncode == 0, checked.stdout + checked.stderr


@cache
def imported_with_the_package() -> frozenset[str]:
    """The modules that a process has after `import asyncsim`."""
    return frozenset(run("-c", "import sys, asyncsim; print(*sys.modules)").stdout.split())


@pytest.mark.parametrize("module", HEAVY)
def test_importing_the_package_does_not_import(module: str) -> None:
    assert "asyncsim.client" in imported_with_the_package()
    assert module not in imported_with_the_package()


def test_importing_the_package_needs_no_running_loop_and_prints_nothing() -> None:
    checked = run("-W", "error", "-c", "import asyncsim")
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


@pytest.mark.parametrize("module", ["asyncsim", "asyncsim.emulator", "asyncsim.cli"])
def test_a_copy_without_metadata_can_be_imported(module: str) -> None:
    code = f"""
import importlib.metadata as metadata

def nothing(cls, name, found=metadata.Distribution.from_name.__func__):
    if name.lower() == "asyncsim":
        raise metadata.PackageNotFoundError(name)
    return found(cls, name)

metadata.Distribution.from_name = classmethod(nothing)
import {module}
"""
    checked = run("-c", code)
    assert checked.returncode == 0, checked.stderr


def test_sending_does_not_import_waiting() -> None:
    code = "import sys, asyncsim.resources.supersim; sys.exit('asyncsim.waiting' in sys.modules)"
    checked = run("-c", code)
    assert checked.returncode == 0, checked.stderr or "not every program waits"

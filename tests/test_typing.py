"""Public types: both checkers accept `accepted*.py` and reject the marked lines.

Files in `tests/typing/` are only read by the checkers, never run.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from mypy import api

ROOT = Path(__file__).parent.parent
ACCEPTED = sorted((ROOT / "tests" / "typing").glob("accepted*.py"))
REJECTED = sorted((ROOT / "tests" / "typing").glob("rejected*.py"))

Found = dict[str, dict[int, str]]
"""File name -> line, counted from 1 -> the message of the checker."""


@cache
def mypy() -> Found:
    """All errors of `mypy --strict`."""
    files = map(str, ACCEPTED + REJECTED)
    out, errors, _ = api.run(["--strict", "--config-file", str(ROOT / "pyproject.toml"), *files])
    assert not errors
    found: Found = {}
    for path, line, said in re.findall(r"^(.+?):(\d+): error: (.*)$", out, re.MULTILINE):
        found.setdefault(Path(path).name, {})[int(line)] = said
    return found


@cache
def pyright() -> Found:
    """All errors of pyright, in its standard mode, as in most editors."""
    # Without an active environment, pyright would look for our dependencies in another Python.
    command = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable]
    command += map(str, ACCEPTED + REJECTED)
    out = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout
    found: Found = {}
    for one in json.loads(out[out.index("{") :])["generalDiagnostics"]:
        if one["severity"] == "error":
            line = one["range"]["start"]["line"] + 1
            found.setdefault(Path(one["file"]).name, {})[line] = one["message"]
    return found


CHECKERS = pytest.mark.parametrize("checker", [mypy, pyright], ids=["mypy", "pyright"])


@CHECKERS
@pytest.mark.parametrize("file", ACCEPTED, ids=lambda file: file.stem)
def test_valid_uses_are_accepted(checker: Callable[[], Found], file: Path) -> None:
    assert checker().get(file.name, {}) == {}


@CHECKERS
@pytest.mark.parametrize("file", REJECTED, ids=lambda file: file.stem)
def test_each_marked_line_is_rejected_and_no_other(
    checker: Callable[[], Found], file: Path
) -> None:
    lines = dict(enumerate(file.read_text("utf-8").splitlines(), start=1))
    marked = {number: text.strip() for number, text in lines.items() if "# E: " in text}
    rejected = {number: lines[number].strip() for number in checker().get(file.name, {})}
    assert marked
    assert rejected == marked

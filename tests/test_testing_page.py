"""The snippets of docs/testing.md are tests that pass."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

PAGE = Path(__file__).parent.parent / "docs" / "testing.md"


def test_every_test_on_the_page_passes(pytester: pytest.Pytester) -> None:
    found = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    tests = {f"test_snippet_{number}": code for number, code in enumerate(found)}
    pytester.makepyfile(**tests)
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    run = pytester.runpytest_subprocess("-q", "-p", "no:xdist", "-p", "no:cacheprovider")
    run.assert_outcomes(passed="\n".join(found).count("def test_"))

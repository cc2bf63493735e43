"""CONTRIBUTING.md: its paths, sessions and links exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
PATHS = sorted(
    {
        path
        for path in re.findall(r"`([\w.-]+(?:/[\w.-]*)+)`", TEXT)
        if path.startswith((".ci/", "asyncsim/", "dist/", "docs/", "tests/"))
    }
    - {"dist/sbom.cdx.json"}  # written by a session
)


def test_paths_are_found() -> None:
    assert len(PATHS) > 20


@pytest.mark.parametrize("path", PATHS)
def test_every_path_exists(path: str) -> None:
    assert (ROOT / path).exists()


def test_every_session_is_explained() -> None:
    tree = ast.parse((ROOT / "noxfile.py").read_text("utf-8"))
    sessions = {
        one.name
        for one in tree.body
        if isinstance(one, ast.FunctionDef)
        and any("nox.session" in ast.unparse(decorator) for decorator in one.decorator_list)
    }
    table = set(re.findall(r"^\| `(\w+)` \|", TEXT, re.MULTILINE))
    assert table == sessions


def test_every_link_has_a_target() -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", TEXT)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []

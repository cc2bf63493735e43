"""Loads the samples without using the package, which is tested against them."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


@cache
def _read(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))


def sample(file: str, name: str) -> Any:
    """Return the body of one sample; it is shared, so tests must not change it."""
    return _read(HERE / "samples" / f"{file}.json")[name]["body"]


def samples(file: str) -> dict[str, Any]:
    """Return all samples of a file, by name."""
    found: dict[str, Any] = _read(HERE / "samples" / f"{file}.json")
    return found


def document(name: str) -> dict[str, Any]:
    """Return one of the vendors' OpenAPI documents."""
    found: dict[str, Any] = _read(HERE / "specs" / f"{name}.json")
    return found

from __future__ import annotations

from pathlib import Path

import pytest

from tests.notebooks.convert import converted, notebooks


def test_there_are_three_notebooks() -> None:
    assert [one.stem for one in notebooks()] == [
        "bulk_with_faults",
        "first_activation",
        "waiting_strategy",
    ]


@pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.stem)
def test_the_jupyter_version_agrees(path: Path) -> None:
    committed = path.with_suffix(".ipynb").read_text(encoding="utf-8")
    assert committed == converted(path.read_text(encoding="utf-8")), (
        "run `python -m tests.notebooks.convert`"
    )

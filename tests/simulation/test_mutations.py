"""The mutation table is whole: each safeguard is there, and the document names it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.simulation.mutations import SEEDS, TABLE, Mutation

DOCUMENT = Path(__file__).parents[2] / "docs" / "reliability.md"


@pytest.mark.parametrize("mutation", TABLE, ids=lambda mutation: mutation.name)
def test_a_safeguard_is_where_it_can_be_switched_off_and_matters_somewhere(
    mutation: Mutation,
) -> None:
    mutation.switch_off()  # LookupError: it has another name now, which the table must have too
    seeds = list(mutation.seeds())
    assert seeds
    assert seeds[-1] <= SEEDS


def test_the_document_lists_every_safeguard_that_is_switched_off() -> None:
    listed = re.findall(r"^\| `([a-z-]+)` \|", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(listed) == sorted(mutation.name for mutation in TABLE)

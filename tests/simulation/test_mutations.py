"""The mutation table is whole: each safeguard is there, and the document names it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.simulation.mutations import SEEDS, TABLE, Mutation
from tests.simulation.workers_mutations import WORKERS_TABLE
from tests.simulation.workers_scenario import FIRST_SEED

ALL = (*TABLE, *WORKERS_TABLE)

DOCUMENT = Path(__file__).parents[2] / "docs" / "reliability.md"


@pytest.mark.parametrize("mutation", ALL, ids=lambda mutation: mutation.name)
def test_a_safeguard_is_where_it_can_be_switched_off_and_matters_somewhere(
    mutation: Mutation,
) -> None:
    mutation.switch_off()  # LookupError: it has another name now, which the table must have too
    seeds = list(mutation.seeds())
    assert seeds
    assert seeds[-1] <= SEEDS or FIRST_SEED <= seeds[0] <= seeds[-1] < FIRST_SEED + SEEDS


def test_the_document_lists_every_safeguard_that_is_switched_off() -> None:
    listed = re.findall(r"^\| `([a-z-]+)` \|", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(listed) == sorted(mutation.name for mutation in ALL)

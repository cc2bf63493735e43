"""Suggestions for misspelt words."""

from __future__ import annotations

import pytest

from asyncsim.emulator import Emulator
from asyncsim.suggestions import closest_match

SUPERSIM = ("ready", "active", "inactive")
WIRELESS = ("ready", "active", "suspended", "deactivated")


@pytest.mark.parametrize(
    ("given", "known", "meant"),
    [
        ("actve", SUPERSIM, "active"),
        ("Active", SUPERSIM, "active"),
        ("inactve", SUPERSIM, "inactive"),
        ("deactivatd", WIRELESS, "deactivated"),
        ("reday", SUPERSIM, "ready"),
        ("--no-calbacks", ("--callbacks", "--no-callbacks"), "--no-callbacks"),
    ],
)
def test_a_misspelt_word_gets_a_suggestion(given: str, known: tuple[str, ...], meant: str) -> None:
    assert closest_match(given, known) == meant


@pytest.mark.parametrize(
    ("given", "known"),
    [
        ("activated", WIRELESS),
        ("inactive", WIRELESS),
        ("deactivated", SUPERSIM),
        ("deactive", SUPERSIM),
        ("nactive", SUPERSIM),  # equally close to two words
        ("deactivate", ("activate", "bulk")),
        ("--no-callback", ("--callbacks",)),
    ],
)
def test_no_suggestion_is_the_opposite(given: str, known: tuple[str, ...]) -> None:
    assert closest_match(given, known) is None


@pytest.mark.parametrize(("given", "known"), [("imsi", "simsid"), ("id", "sid"), ("", "a")])
def test_a_dissimilar_word_gets_no_suggestion(given: str, known: str) -> None:
    assert closest_match(given, [known]) is None


async def test_a_status_gets_no_suggestion_of_its_opposite() -> None:
    async with Emulator(sims=1) as emulator, emulator.client() as client:
        (sid,) = [sim.sid async for sim in client.wireless.sims.list()]
        with pytest.raises(ValueError, match=r"it takes .*deactivated") as caught:
            await client.wireless.sims.update(sid, status="activated")  # type: ignore[arg-type]
    assert "did you mean" not in str(caught.value)

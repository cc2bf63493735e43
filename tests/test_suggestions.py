"""Hints at what somebody may have meant."""

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
def test_a_misspelling_is_told(given: str, known: tuple[str, ...], meant: str) -> None:
    assert closest_match(given, known) == meant


@pytest.mark.parametrize(
    ("given", "known"),
    [
        ("activated", WIRELESS),
        ("inactive", WIRELESS),
        ("deactivated", SUPERSIM),
        ("deactive", SUPERSIM),
        ("nactive", SUPERSIM),  # as near to the one as to the other
        ("deactivate", ("activate", "bulk")),
        ("--no-callback", ("--callbacks",)),
    ],
)
def test_no_hint_leads_to_the_opposite(given: str, known: tuple[str, ...]) -> None:
    assert closest_match(given, known) is None


@pytest.mark.parametrize(("given", "known"), [("imsi", "simsid"), ("id", "sid"), ("", "a")])
def test_what_is_not_near_is_no_hint(given: str, known: str) -> None:
    assert closest_match(given, [known]) is None


async def test_no_keyword_and_no_value_is_hinted_at_by_its_opposite() -> None:
    async with Emulator(sims=1) as emulator, emulator.client() as client:
        (sid,) = [sim.sid async for sim in client.wireless.sims.list()]
        with pytest.raises(ValueError, match=r"it takes .*deactivated") as caught:
            await client.wireless.sims.update(sid, status="activated")  # type: ignore[arg-type]
    assert "did you mean" not in str(caught.value)

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import SimpleNamespace

import pytest
from hypothesis import given, strategies as st

from asyncsim import AsyncSimError, NotFound
from asyncsim.clock import ManualClock
from asyncsim.models.supersim.fleets import FLEETS
from asyncsim.models.supersim.sims import SIMS as SUPERSIM
from asyncsim.models.wireless.sims import SIMS as WIRELESS
from asyncsim.resources.base import path_of
from asyncsim.resources.names import NameResolver, check_name

HEX = "0123456789abcdef" * 2


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("HS" + HEX, f"/v1/Sims/HS{HEX}"),
        ("depot 7", "/v1/Sims/depot%207"),
        ("a/b", "/v1/Sims/a%2Fb"),
        ("50%", "/v1/Sims/50%25"),
        ("%2F", "/v1/Sims/%252F"),
        ("grün?x#y", "/v1/Sims/gr%C3%BCn%3Fx%23y"),
        ("+", "/v1/Sims/%2B"),
        ("x;y=z&", "/v1/Sims/x%3By%3Dz%26"),
    ],
)
def test_a_name_is_one_encoded_segment_of_the_path(name: str, path: str) -> None:
    assert path_of(SUPERSIM, check_name(SUPERSIM, name)) == path


@given(st.text(min_size=1).filter(lambda name: name not in (".", "..")))
def test_no_name_leaves_its_segment(name: str) -> None:
    try:
        path = path_of(SUPERSIM, name)
    except UnicodeEncodeError:  # half of a surrogate pair is no text that could be sent
        return
    segment = path.removeprefix("/v1/Sims/")
    assert segment
    assert segment.isascii()
    assert not set(segment) & set("/?#&+ ")


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_a_name_that_would_be_another_path_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="names no Sim"):
        check_name(SUPERSIM, name)


@pytest.mark.parametrize("name", [None, 7, b"HS", ["HS"]])
def test_a_name_that_is_no_text_is_refused(name: object) -> None:
    with pytest.raises(TypeError, match="named by its SID as text"):
        check_name(SUPERSIM, name)


def test_a_sid_of_another_kind_says_where_it_belongs() -> None:
    with pytest.raises(ValueError, match=r"Programmable Wireless Sim \(client\.wireless\.sims\)"):
        check_name(SUPERSIM, "DE" + HEX)
    with pytest.raises(ValueError, match=r"Super SIM Sim \(client\.supersim\.sims\)"):
        check_name(WIRELESS, "HS" + HEX)
    with pytest.raises(ValueError, match="a Fleet"):
        check_name(WIRELESS, "HF" + HEX)


@pytest.mark.parametrize("name", ["XX" + HEX, "DE" + HEX[:-1], "DE" + "g" * 32, "DEpot"])
def test_a_unique_name_that_only_resembles_a_sid_is_a_name(name: str) -> None:
    assert check_name(SUPERSIM, name) == name


class Fleets:
    """Counts look-ups; each waits until it is let go."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.known = {"mine": "HF" + HEX}
        self.gate = asyncio.Event()

    async def fetch(self, name: str) -> SimpleNamespace:
        self.asked.append(name)
        await self.gate.wait()
        if name not in self.known:
            raise NotFound(404, 20404, f"no {name}")
        return SimpleNamespace(sid=self.known[name])


@pytest.fixture
def fleets() -> Fleets:
    return Fleets()


async def together(fleets: Fleets, work: Callable[[], Awaitable[str]]) -> list[str | BaseException]:
    tasks = [asyncio.ensure_future(work()) for _ in range(10)]
    await asyncio.sleep(0)
    fleets.gate.set()
    return await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_name_is_looked_up_once_for_all_who_ask(fleets: Fleets, clock: ManualClock) -> None:
    resolver = NameResolver(FLEETS, fleets.fetch, clock)
    found = await together(fleets, lambda: resolver.sid_of("mine"))
    assert set(found) == {"HF" + HEX}
    assert await resolver.sid_of("mine") == "HF" + HEX
    assert fleets.asked == ["mine"]


async def test_a_sid_is_not_looked_up(fleets: Fleets, clock: ManualClock) -> None:
    assert await NameResolver(FLEETS, fleets.fetch, clock).sid_of("HF" + HEX) == "HF" + HEX
    assert fleets.asked == []


async def test_a_failure_is_shared_by_who_waited_and_forgotten_by_who_comes_later(
    fleets: Fleets, clock: ManualClock
) -> None:
    resolver = NameResolver(FLEETS, fleets.fetch, clock)
    found = await together(fleets, lambda: resolver.sid_of("later"))
    assert {type(one) for one in found} == {NotFound}
    assert len({id(one) for one in found}) == 10, "an error of one's own each"
    assert fleets.asked == ["later"]
    fleets.known["later"] = "HF" + HEX
    assert await resolver.sid_of("later") == "HF" + HEX


async def test_a_cancelled_look_up_leaves_the_others_theirs(
    fleets: Fleets, clock: ManualClock
) -> None:
    resolver = NameResolver(FLEETS, fleets.fetch, clock)
    first = asyncio.ensure_future(resolver.sid_of("mine"))
    second = asyncio.ensure_future(resolver.sid_of("mine"))
    await asyncio.sleep(0)
    first.cancel()
    fleets.gate.set()
    assert await second == "HF" + HEX
    assert isinstance((await asyncio.gather(first, return_exceptions=True))[0],
                      asyncio.CancelledError)  # fmt: skip
    assert not isinstance(second.exception(), AsyncSimError)


async def test_a_name_is_looked_up_again_after_a_while_for_it_may_be_anothers(
    fleets: Fleets, clock: ManualClock
) -> None:
    fleets.gate.set()
    resolver = NameResolver(FLEETS, fleets.fetch, clock)
    await resolver.sid_of("mine")
    await clock.advance(599)
    await resolver.sid_of("mine")
    assert fleets.asked == ["mine"]
    fleets.known["mine"] = "HF" + HEX[::-1]
    await clock.advance(2)
    assert await resolver.sid_of("mine") == "HF" + HEX[::-1]

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
def test_a_name_is_one_encoded_path_segment(name: str, path: str) -> None:
    assert path_of(SUPERSIM, check_name(SUPERSIM, name)) == path


@given(st.text(min_size=1).filter(lambda name: name not in (".", "..")))
def test_no_name_escapes_its_path_segment(name: str) -> None:
    try:
        path = path_of(SUPERSIM, name)
    except UnicodeEncodeError:  # a lone surrogate cannot be encoded
        return
    segment = path.removeprefix("/v1/Sims/")
    assert segment
    assert segment.isascii()
    assert not set(segment) & set("/?#&+ ")


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_a_name_that_would_change_the_path_is_rejected(name: str) -> None:
    with pytest.raises(ValueError, match="names no Sim"):
        check_name(SUPERSIM, name)


@pytest.mark.parametrize("name", [None, 7, b"HS", ["HS"]])
def test_a_name_that_is_not_a_string_is_rejected(name: object) -> None:
    with pytest.raises(TypeError, match="must be text"):
        check_name(SUPERSIM, name)


def test_a_sid_of_another_kind_is_rejected_with_its_namespace() -> None:
    with pytest.raises(ValueError, match=r"Programmable Wireless Sim \(client\.wireless\.sims\)"):
        check_name(SUPERSIM, "DE" + HEX)
    with pytest.raises(ValueError, match=r"Super SIM Sim \(client\.supersim\.sims\)"):
        check_name(WIRELESS, "HS" + HEX)
    with pytest.raises(ValueError, match="a Fleet"):
        check_name(WIRELESS, "HF" + HEX)


@pytest.mark.parametrize("name", ["XX" + HEX, "DE" + HEX[:-1], "DE" + "g" * 32, "DEpot"])
def test_a_unique_name_that_resembles_a_sid_is_a_name(name: str) -> None:
    assert check_name(SUPERSIM, name) == name


class Fleets:
    """Counts lookups, which wait until `release` is set."""

    def __init__(self) -> None:
        self.lookups: list[str] = []
        self.known = {"mine": "HF" + HEX}
        self.release = asyncio.Event()

    async def fetch(self, name: str) -> SimpleNamespace:
        self.lookups.append(name)
        await self.release.wait()
        if name not in self.known:
            raise NotFound(404, 20404, f"no {name}")
        return SimpleNamespace(sid=self.known[name])


@pytest.fixture
def fleets() -> Fleets:
    return Fleets()


async def resolve_concurrently(
    fleets: Fleets, work: Callable[[], Awaitable[str]]
) -> list[str | BaseException]:
    tasks = [asyncio.ensure_future(work()) for _ in range(10)]
    await asyncio.sleep(0)
    fleets.release.set()
    return await asyncio.gather(*tasks, return_exceptions=True)


async def test_concurrent_lookups_of_a_name_share_one_request(
    fleets: Fleets, clock: ManualClock
) -> None:
    resolver = NameResolver(FLEETS, fleets.fetch, clock)
    found = await resolve_concurrently(fleets, lambda: resolver.sid_of("mine"))
    assert set(found) == {"HF" + HEX}
    assert await resolver.sid_of("mine") == "HF" + HEX
    assert fleets.lookups == ["mine"]


async def test_a_sid_is_not_looked_up(fleets: Fleets, clock: ManualClock) -> None:
    assert await NameResolver(FLEETS, fleets.fetch, clock).sid_of("HF" + HEX) == "HF" + HEX
    assert fleets.lookups == []


async def test_a_failed_lookup_is_shared_by_concurrent_callers_and_not_cached(
    fleets: Fleets, clock: ManualClock
) -> None:
    resolver = NameResolver(FLEETS, fleets.fetch, clock)
    found = await resolve_concurrently(fleets, lambda: resolver.sid_of("later"))
    assert {type(one) for one in found} == {NotFound}
    assert len({id(one) for one in found}) == 10, "each caller gets its own error"
    assert fleets.lookups == ["later"]
    fleets.known["later"] = "HF" + HEX
    assert await resolver.sid_of("later") == "HF" + HEX


async def test_a_cancelled_lookup_does_not_cancel_the_others(
    fleets: Fleets, clock: ManualClock
) -> None:
    resolver = NameResolver(FLEETS, fleets.fetch, clock)
    first = asyncio.ensure_future(resolver.sid_of("mine"))
    second = asyncio.ensure_future(resolver.sid_of("mine"))
    await asyncio.sleep(0)
    first.cancel()
    fleets.release.set()
    assert await second == "HF" + HEX
    assert isinstance((await asyncio.gather(first, return_exceptions=True))[0],
                      asyncio.CancelledError)  # fmt: skip
    assert not isinstance(second.exception(), AsyncSimError)


async def test_a_name_is_looked_up_again_after_10_minutes(
    fleets: Fleets, clock: ManualClock
) -> None:
    fleets.release.set()
    resolver = NameResolver(FLEETS, fleets.fetch, clock)
    await resolver.sid_of("mine")
    await clock.advance(599)
    await resolver.sid_of("mine")
    assert fleets.lookups == ["mine"]
    fleets.known["mine"] = "HF" + HEX[::-1]
    await clock.advance(2)
    assert await resolver.sid_of("mine") == "HF" + HEX[::-1]

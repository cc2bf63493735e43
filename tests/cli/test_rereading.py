"""Credentials of a profile that are rotated while a command runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from attrs import evolve

from asyncsim import AuthenticationError, Client
from asyncsim.cli import rereading
from asyncsim.cli.accounts import log_in
from asyncsim.cli.common_options import CommonOptions, in_effect
from asyncsim.emulator import Emulator
from asyncsim.vendors import EMULATOR_CREDENTIALS as OWN

NEW = "the-new-secret-0123456789"


def store(path: Path, vendor: str, secret: str, account: str | None = None) -> None:
    """Write the profile `work`."""
    own = OWN.account_sid if vendor == "twilio" else OWN.client_id
    names = ("account_sid", "auth_token") if vendor == "twilio" else ("client_id", "client_secret")
    lines = (f'{names[0]} = "{account or own}"', f'{names[1]} = "{secret}"')
    path.write_text("\n".join(["[profiles.work]", f'vendor = "{vendor}"', *lines]))
    path.chmod(0o600)


def revoke(emulator: Emulator, vendor: str) -> None:
    """Replace the secret at the vendor."""
    world = emulator.world(vendor)
    keyword = "auth_token" if vendor == "twilio" else "client_secret"
    world.credentials = evolve(world.credentials, **{keyword: NEW})
    emulator.expire_tokens()


@asynccontextmanager
async def logged_in(path: Path, vendor: str) -> AsyncIterator[Client]:
    """A command's client with the profile `work`, after its first request."""
    store(path, vendor, OWN.auth_token if vendor == "twilio" else OWN.client_secret)
    with in_effect(CommonOptions(profiles=("work",))):
        async with log_in(None) as client:
            await client.supersim.sims.list(page_size=1)
            yield client


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rereading, "_PAUSE", 0.0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The file of profiles."""
    return tmp_path / "profiles.toml"


@pytest.mark.parametrize("vendor", ["twilio", "kore"])
async def test_requests_go_on_with_the_new_secret_of_the_profile(
    vendor: str, emulator: Emulator, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with logged_in(path, vendor) as client:
        revoke(emulator, vendor)
        store(path, vendor, NEW)
        sims = client.supersim.sims
        (sim, *_) = await sims.list(page_size=1)
        pages = await asyncio.gather(*(sims.list(page_size=1) for _ in range(20)))
        assert len(pages) == 20
        assert (await sims.update(sim.sid, status="active")).sid == sim.sid
    said = capsys.readouterr().err
    assert said.count("using the new ones of profile work") == 1
    assert NEW not in said


async def test_many_rejected_at_once_read_the_profile_once(
    emulator: Emulator, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with logged_in(path, "twilio") as client:
        revoke(emulator, "twilio")
        store(path, "twilio", NEW)
        await asyncio.gather(*(client.supersim.sims.list(page_size=1) for _ in range(20)))
    assert capsys.readouterr().err.count("using the new ones") == 1


@pytest.mark.parametrize("vendor", ["twilio", "kore"])
@pytest.mark.parametrize(
    ("secret", "account", "said"),
    [
        ("the old one", None, ""),
        (NEW, "AC0", "it now belongs to another account"),
        (None, None, "no pr"),
    ],
)
async def test_without_new_credentials_of_the_account_the_rejection_stands(
    secret: str | None,
    account: str | None,
    said: str,
    vendor: str,
    emulator: Emulator,
    path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    async with logged_in(path, vendor) as client:
        revoke(emulator, vendor)
        if secret == NEW:
            store(path, vendor, NEW, account)
        elif secret is None:
            path.unlink()  # noqa: ASYNC240  # a small file
        with pytest.raises(AuthenticationError):
            await client.supersim.sims.list(page_size=1)
    assert said in capsys.readouterr().err


async def test_a_profile_is_not_read_again_soon_after_it_was(
    emulator: Emulator, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rereading, "_PAUSE", 10.0)
    async with logged_in(path, "twilio") as client:
        revoke(emulator, "twilio")
        store(path, "twilio", NEW)
        with pytest.raises(AuthenticationError):
            await client.supersim.sims.list(page_size=1)

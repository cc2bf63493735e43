"""`asyncsim auth`: several accounts, one of them current; nothing prints a secret."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from asyncsim.emulator import Emulator
from asyncsim.vendors import EMULATOR_CREDENTIALS as OWN
from tests.cli.conftest import Cli

# ruff: noqa: ASYNC240  # a few bytes

LOGIN = ("auth", "login", "--account-sid", OWN.account_sid, "--auth-token", "env:WORD")
KORE = ("auth", "login", "kore", "--client-id", OWN.client_id, "--client-secret", "env:KORE_WORD")


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of profiles, which does not exist yet, and two secrets in the environment."""
    monkeypatch.setenv("WORD", OWN.auth_token)
    monkeypatch.setenv("KORE_WORD", OWN.client_secret)
    file = tmp_path / "below" / "profiles.toml"
    monkeypatch.setenv("ASYNCSIM_PROFILES_FILE", str(file))
    return file


def stored(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text())


def typed(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))


async def test_a_login_is_checked_stored_as_a_reference_and_used(
    cli: Cli, emulator: Emulator, path: Path
) -> None:
    ended = await cli(*LOGIN)
    assert ended.code == 0, ended.err
    assert path.stat().st_mode & 0o777 == 0o600
    assert stored(path) == {
        "current": "default",
        "profiles": {
            "default": {
                "vendor": "twilio", "account_sid": OWN.account_sid, "auth_token": "env:WORD",
            },
        },
    }  # fmt: skip
    before = len(emulator.requests)
    ended = await cli("sims", "list", "--profile", "default")
    assert ended.code == 0
    assert len(emulator.requests) > before
    assert OWN.account_sid not in ended.err


async def test_rejected_credentials_are_not_stored_unless_unchecked(
    cli: Cli, emulator: Emulator, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORD", "a-wrong-secret")
    ended = await cli(*LOGIN)
    assert ended.code == 4
    assert "nothing was stored" in ended.err
    assert "a-wrong-secret" not in ended.err
    assert not path.exists()
    assert (await cli(*LOGIN, "--no-check")).code == 0
    assert (await cli("auth", "status", "--profile", "default", "--check")).code == 4


async def test_a_secret_from_stdin_is_stored_itself(
    cli: Cli, emulator: Emulator, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed(monkeypatch, OWN.auth_token + "\n")
    ended = await cli("auth", "login", "work", "--account-sid", OWN.account_sid, "--from-stdin")
    assert ended.code == 0, ended.err
    assert stored(path)["profiles"]["work"]["auth_token"] == OWN.auth_token
    assert OWN.auth_token not in ended.out + ended.err
    assert OWN.auth_token not in (await cli("auth", "status")).out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--account-sid", "AC1", "--auth-token", "hidden-word"), "--auth-token takes a reference"),
        (("--client-id", "x", "--webhook-secret", "hidden-word"), "--webhook-secret takes"),
        (("--account-sid", "AC1"), "auth token: not given, and no terminal"),
        (("--account-sid", "AC1", "--api-key", "SK1"), "api secret: not given"),
        (("--auth-token", "env:WORD"), "account sid: not given"),
        ((), "vendor (twilio or kore): not given"),
        (("--account-sid", "AC1", "--client-id", "x"), "different vendors"),
        (("--account-sid", "AC1", "--vendor", "kore"), "different vendors"),
        (("--account-sid", "AC1", "--from-stdin"), "auth token is empty"),
    ],
)
async def test_an_incomplete_login_says_what_is_missing(
    arguments: tuple[str, ...], said: str, cli: Cli, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed(monkeypatch, "")
    ended = await cli("auth", "login", *arguments)
    assert ended.code == 2
    assert said in ended.err
    assert "hidden-word" not in ended.err
    assert not path.exists()


async def test_accounts_are_switched_shown_and_removed(
    cli: Cli, emulator: Emulator, path: Path
) -> None:
    assert (await cli(*LOGIN)).code == 0
    assert (await cli(*KORE, "--webhook-secret", "env:HOOK", "--no-check")).code == 0
    assert stored(path)["current"] == "kore"
    assert stored(path)["profiles"]["kore"]["webhook_secrets"] == ["env:HOOK"]
    assert (await cli("auth", "switch", "default")).code == 0
    rows = {row["profile"]: row for row in (await cli("auth", "status", "-o", "csv")).rows}
    assert rows["default"] == {
        "use": "", "profile": "default", "vendor": "twilio", "account": "ACee...eeee",
        "secret": "env:WORD", "check": "",
    }  # fmt: skip
    assert rows["kore"]["secret"] == "env:KORE_WORD, env:HOOK"
    assert (await cli("auth", "logout", "kore")).code == 0
    ended = await cli("auth", "switch", "kore")
    assert ended.code == 4
    assert "no profile 'kore'" in ended.err
    assert (await cli("auth", "logout")).code == 0
    assert stored(path).get("profiles", {}) == {}
    assert "current" not in stored(path)


async def test_flags_come_before_the_environment_and_this_before_the_current_profile(
    cli: Cli, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (await cli(*LOGIN, "--no-check")).code == 0
    assert (await cli(*KORE, "--no-check")).code == 0

    async def used(*options: str) -> list[str]:
        rows = (await cli("auth", "status", "-o", "csv", *options)).rows
        return [row["profile"] for row in rows if row["use"]]

    assert await used() == ["kore"]
    assert await used("--profile", "default") == ["default"]
    monkeypatch.setenv("TWILIO_ACCOUNT_SID", OWN.account_sid)
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", "hidden-word")
    assert await used() == ["(environment)"]
    assert await used("--profile", "default") == ["default"]
    monkeypatch.setenv("ASYNCSIM_PROFILE", "kore")
    assert await used() == ["kore"]
    assert await used("--profile", "default") == ["default"]
    ended = await cli("sims", "list", "--vendor", "twilio")
    assert ended.code == 4
    assert "profile 'kore' belongs to kore" in ended.err


async def test_status_checks_each_account(
    cli: Cli, emulator: Emulator, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (await cli(*LOGIN)).code == 0
    assert (await cli(*KORE)).code == 0
    monkeypatch.delenv("KORE_WORD")
    ended = await cli("auth", "status", "--check", "--profile", "default", "-o", "csv")
    checks = {row["profile"]: row["check"] for row in ended.rows}
    assert ended.code == 0
    assert checks["default"] == "ok"
    assert "no variable KORE_WORD" in checks["kore"]
    table = await cli("auth", "status", "--check", "--profile", "kore")
    assert table.code == 4
    assert max(map(len, table.out.splitlines())) <= 80
    assert "kore: profile 'kore', client_secret: the environment has no variable" in table.err


async def test_without_any_account_status_ends_with_4(cli: Cli, path: Path) -> None:
    ended = await cli("auth", "status")
    assert ended.code == 4
    assert "asyncsim auth login" in ended.err
    assert "asyncsim auth login" in (await cli("sims", "list")).err


async def test_comments_of_a_hand_edited_file_and_its_link_are_kept(
    cli: Cli, path: Path, tmp_path: Path
) -> None:
    real = tmp_path / "dotfiles.toml"
    text = '# mine\n[profiles.a]  # first\nvendor = "kore"\nclient_id = "x"  # the id\n'
    real.write_text(text)
    real.chmod(0o600)
    path.parent.mkdir()
    path.symlink_to(real)
    assert (await cli(*LOGIN, "--no-check")).code == 0
    assert path.is_symlink()
    for comment in ("# mine", "# first", "# the id"):
        assert comment in real.read_text()
    assert set(stored(path)["profiles"]) == {"a", "default"}
    assert real.stat().st_mode & 0o777 == 0o600


async def test_a_readable_file_is_neither_read_nor_changed(cli: Cli, path: Path) -> None:
    path.parent.mkdir()
    path.write_text("")
    path.chmod(0o644)
    for command in ((*LOGIN, "--no-check"), ("auth", "status"), ("sims", "list")):
        ended = await cli(*command)
        assert ended.code in (2, 4)
        assert f"chmod 600 {path}" in ended.err
    assert path.read_text() == ""


@pytest.mark.skipif(os.name != "posix", reason="needs a pseudo-terminal")
def test_a_person_types_the_secret_without_seeing_it(path: Path) -> None:
    master, slave = pty.openpty()
    command = (sys.executable, "-m", "asyncsim.cli", "auth", "login", "work", "--no-check")
    with subprocess.Popen(
        command, stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
        env={**os.environ, "TERM": "dumb"},
    ) as process:  # fmt: skip
        os.close(slave)
        screen = b""
        for prompt, answer in (
            (b"Vendor (twilio or kore): ", b"twilio\n"),
            (b"Account sid: ", OWN.account_sid.encode() + b"\n"),
            (b"command:): ", b"hidden-word\n"),
            (b"it is now current", b""),
        ):
            while prompt not in screen:
                screen += os.read(master, 1000)
            os.write(master, answer)
        assert process.wait(30) == 0
    os.close(master)
    assert b"hidden-word" not in screen
    assert stored(path)["profiles"]["work"]["auth_token"] == "hidden-word"

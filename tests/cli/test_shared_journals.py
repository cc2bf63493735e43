"""Jobs that run in this process on a shared journal, and where that journal is."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pytest

from asyncsim.emulator import Emulator
from tests.cli.conftest import Cli, posts
from tests.cli.shared import without_password
from tests.cli.test_activate import fill


@pytest.fixture
def journal(migrated_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A shared journal that the environment names, with its password."""
    monkeypatch.setenv("ASYNCSIM_JOURNAL", migrated_url)
    return migrated_url


@pytest.fixture
def batch(emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A file of 12 SIMs in the current folder."""
    monkeypatch.chdir(tmp_path)
    fill(tmp_path / "batch.csv", emulator.world("twilio").sims("wireless"), "sid")
    return "batch.csv"


async def test_a_job_runs_in_this_process_on_a_shared_journal_and_is_resumed(
    cli: Cli, emulator: Emulator, batch: str, journal: str, tmp_path: Path
) -> None:
    started = await cli("activate", batch, "--product", "wireless", "--limit", "5")
    assert started.code == 3, started.err
    assert posts(emulator) == 5
    assert (tmp_path / "batch-results" / "results.csv").exists()
    assert not (tmp_path / "batch.db").exists()
    assert (await cli("activate", batch, "--product", "wireless")).code == 0
    assert posts(emulator) == 12
    again = await cli("activate", batch, "--product", "wireless", "--name", "another")
    assert again.code == 0
    assert (tmp_path / "another-results" / "results.csv").exists()


async def test_the_password_comes_from_the_environment_and_is_never_shown(
    cli: Cli, emulator: Emulator, batch: str, journal: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    password = urlsplit(journal).password
    assert password is not None
    monkeypatch.setenv("ASYNCSIM_JOURNAL", journal.replace(password, "wrong-password"))
    ended = await cli("activate", batch, "--product", "wireless")
    assert ended.code == 2
    assert "wrong-password" not in ended.err
    assert ended.err.count("\n") == 1
    monkeypatch.delenv("ASYNCSIM_JOURNAL")
    monkeypatch.setenv("PGPASSWORD", password)
    shown = without_password(journal)
    ended = await cli("activate", batch, "--product", "wireless", "--journal", shown)
    assert ended.code == 0, ended.err


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("activate", __file__, "--name", "x"), "--name is for shared journals"),
        (("activate", "-", "--journal", "postgresql://h/d"), "pass --name JOB"),
        (("activate", __file__, "--journal", "postgresql://u:p@h/d"), "set ASYNCSIM_JOURNAL"),
        (("activate", __file__, "--journal", "postgresql://h/d?password=p"), "ASYNCSIM_JOURNAL"),
        (("activate", __file__, "--journal", "postgresql://h/d?sslpassword=p"), "ASYNCSIM_JOURNAL"),
        (("activate", __file__, "--journal", "mysql://u:p@h/d"), "must begin with postgresql://"),
        (("activate", __file__, "--journal", "host=h password=p"), "must begin with postgresql://"),
        (("jobs", "list", "mysql://u:p@h/d"), "must begin with postgresql://"),
        (("jobs", "report", "mysql://u:p@h/d"), "pass the URL as --journal"),
        (("jobs", "migrate", "mysql://u:p@h/d"), "pass the URL as --journal"),
    ],
    ids=lambda value: " ".join(value)[-60:] if isinstance(value, tuple) else None,
)
async def test_usage_errors_of_shared_journals_are_one_line(
    arguments: tuple[str, ...], expected: str, cli: Cli
) -> None:
    ended = await cli(*arguments)
    assert (ended.code, ended.out) == (2, "")
    assert expected in ended.err
    assert ended.err.count("\n") == 1
    assert "p@" not in ended.err


@pytest.mark.parametrize("password", ["pa%zzss", "p@ss@w0rd", "pa/ss", "1/ss", "1?ss=1", "pa#ss"])
async def test_a_password_that_is_not_escaped_is_not_shown(
    password: str, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASYNCSIM_JOURNAL", f"postgresql://me:{password}@127.0.0.1:1/x")
    for command in (("jobs", "list"), ("worker",), ("jobs", "migrate"), ("activate", __file__)):
        ended = await cli(*command)
        assert ended.code == 2
        assert "in a user name or password write @ : / ? # %" in ended.err
        assert "ss" not in ended.err.replace("password", "").replace("postgres", "")


async def test_the_variable_must_be_a_url(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASYNCSIM_JOURNAL", "batch.db")
    ended = await cli("activate", __file__)
    assert ended.code == 2
    assert "ASYNCSIM_JOURNAL must be a URL" in ended.err

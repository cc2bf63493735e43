"""Profiles: what the file says, where secrets come from, and what is rejected."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest

from asyncsim import Client, ConfigurationError, profiles
from asyncsim.profiles import read_profiles, resolve_secret

AC = "AC" + "0" * 32
STORED = f"""
current = "work"

[profiles.work]
vendor = "twilio"
account_sid = "{AC}"
auth_token = "hidden-word"

[profiles.kore]
vendor = "kore"
client_id = "apiclient_1"
client_secret = "env:KORE_SECRET"
webhook_secrets = ["env:KORE_HOOK", "hidden-word"]
"""


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of profiles, with two."""
    for name in ("ASYNCSIM_PROFILE", "ASYNCSIM_EMULATOR"):
        monkeypatch.delenv(name, raising=False)
    file = tmp_path / "profiles.toml"
    monkeypatch.setenv("ASYNCSIM_PROFILES_FILE", str(file))
    file.write_text(STORED)
    file.chmod(0o600)
    return file


def test_a_client_logs_in_with_the_current_profile_or_the_one_named(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KORE_SECRET", "s1")
    monkeypatch.setenv("KORE_HOOK", "s2")
    assert Client.from_profile().context.account == AC
    kore = Client.from_profile("kore")
    assert (kore.vendor.name, kore.context.account) == ("kore", "apiclient_1")
    monkeypatch.setenv("ASYNCSIM_PROFILE", "kore")
    assert Client.from_profile().vendor.name == "kore"
    assert Client.from_profile("work").vendor.name == "twilio"


def test_the_place_is_the_platforms(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("ASYNCSIM_PROFILES_FILE", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    if sys.platform == "linux":
        assert profiles.profiles_path() == tmp_path / "asyncsim" / "profiles.toml"


def test_without_the_extra_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ASYNCSIM_PROFILES_FILE", raising=False)
    monkeypatch.setitem(sys.modules, "platformdirs", None)
    with pytest.raises(ConfigurationError, match=r'pip install "asyncsim\[cli\]"'):
        Client.from_profile()


def test_without_a_file_there_is_no_profile(path: Path) -> None:
    path.unlink()
    assert read_profiles().by_name == {}
    with pytest.raises(ConfigurationError, match="no profile is current: run asyncsim auth login"):
        Client.from_profile()


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such permissions")
@pytest.mark.skipif(os.name != "posix", reason="modes of files are of POSIX")
@pytest.mark.parametrize(
    ("mode", "owner", "reader", "open_to_others"),
    [
        (0o440, 0, 10001, False),  # a Secret that Kubernetes mounts for the group of the process
        (0o640, 0, 10001, False),
        (0o444, 0, 10001, True),
        (0o460, 0, 10001, True),
        (0o450, 0, 10001, True),
        (0o440, 0, 0, True),  # root reads its own files without their group
        (0o440, 10001, 10001, True),
        (0o400, 10001, 10001, False),
    ],
)
def test_the_group_may_read_only_what_root_has_mounted(
    mode: int, owner: int, reader: int, open_to_others: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: reader)
    file = os.stat_result((stat.S_IFREG | mode, 0, 0, 1, owner, 10001, 0, 0, 0, 0))
    assert profiles._is_open_to_others(file) is open_to_others


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_file_that_others_may_read_or_change_is_rejected(path: Path, mode: int) -> None:
    path.chmod(mode)
    with pytest.raises(ConfigurationError, match=f"run: chmod 600 {path}") as caught:
        Client.from_profile()
    assert "hidden-word" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("current = ", "not valid TOML"),
        ("current = 1", 'current = "name"'),
        ("profiles = 1", 'current = "name"'),
        ('[profiles.a]\nvendor = "acme"', 'vendor = "twilio"'),
        ('[profiles.a]\nvendor = "twilio"', "needs account_sid"),
        ('[profiles.a]\nvendor = "twilio"\nauth_tokn = "hidden-word"', "did you mean 'auth_token'"),
        ('[profiles.a]\nvendor = "twilio"\nauth_token = 1', "auth_token: must be a text"),
        ('[profiles.a]\nvendor = "kore"\nwebhook_secrets = "hidden-word"', "a list of texts"),
    ],
)
def test_what_is_wrong_with_the_file_is_said_without_its_values(
    text: str, said: str, path: Path
) -> None:
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=said) as caught:
        read_profiles()
    assert str(path) in str(caught.value)
    assert "hidden-word" not in str(caught.value)


def test_an_unknown_profile_is_named_with_the_nearest(path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"no profile 'wrok'.*did you mean 'work'"):
        Client.from_profile("wrok")


def test_a_secret_is_text_or_a_variable_or_a_file_or_what_a_command_prints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORD", "from-env")
    file = tmp_path / "secret file"
    file.write_text("from-file\n")
    file.chmod(0o600)
    assert resolve_secret("plain:text", "x") == "plain:text"
    assert resolve_secret("env:WORD", "x") == "from-env"
    assert resolve_secret(f"file:{file}", "x") == "from-file"
    command = f"command:{sys.executable} -c 'print(\"$WORD\")'"
    assert resolve_secret(command, "x") == "$WORD"  # no shell expands it
    assert repr(resolve_secret(command, "x")) == "'***'"


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("env:NO_SUCH_WORD", "no variable NO_SUCH_WORD"),
        ("file:{tmp}/none", "No such file"),
        ("file:{tmp}/open", "run: chmod 600 {tmp}/open"),
        ("file:{tmp}/empty", "is empty"),
        ("command:", "names no program"),
        ("command:'", "cannot be split"),
        ("command:no-such-program --hidden-word", "'no-such-program' cannot be started"),
        ("command:{python} -c 'raise SystemExit(3)'", "exit code 3"),
        ("command:{python} -c 'print(1); print(2)'", "more than one line"),
        ("command:{python} -c pass", "is empty"),
        ("command:{python} -c 'print(open(0).read())'", "is empty"),  # its stdin is
        ("command:{python} -c 'import time; time.sleep(60)'", "did not end within 0.5 s"),
    ],
)
def test_a_secret_that_cannot_be_had_says_why(
    reference: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(profiles, "COMMAND_TIMEOUT", 0.5 if "sleep" in reference else 30.0)
    for name, mode in (("open", 0o644), ("empty", 0o600)):
        (tmp_path / name).write_text("" if name == "empty" else "hidden-word")
        (tmp_path / name).chmod(mode)
    places = {"tmp": str(tmp_path), "python": sys.executable}
    with pytest.raises(ConfigurationError, match=r"^profile 'a', auth_token: ") as caught:
        resolve_secret(reference.format(**places), "profile 'a', auth_token")
    assert said.format(**places) in str(caught.value)
    assert "hidden-word" not in str(caught.value)


def test_no_repr_shows_a_secret(path: Path) -> None:
    stored = read_profiles()
    assert "hidden-word" not in repr(stored)
    assert "hidden-word" not in repr(stored.by_name["work"].values)
    assert "hidden-word" not in repr(stored.by_name["kore"].secrets)
    assert stored.by_name["work"].credentials()["auth_token"] == "hidden-word"

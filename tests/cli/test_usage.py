"""Invalid usage: one line on stderr, nothing on stdout, and a distinct exit code."""

from __future__ import annotations

from pathlib import Path

import pytest
from aiohttp.test_utils import unused_port

from asyncsim import RetryPolicy
from asyncsim.emulator import Emulator
from tests.cli.conftest import Cli
from tests.test_docs import COMMANDS

SID = "HS" + "0" * 32


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("sims", "lisst"), "lisst"),
        (("nonsense",), "nonsense"),
        (("sims", "list", "--foo", "x"), "--foo"),
        (("sims", "list", "--limit", "many"), "--limit"),
        (("sims", "list", "--limit", "0"), "--limit"),
        (("sims", "list", "--product", "esim"), "--product"),
        (("sims", "list", "--vendor", "acme"), "--vendor"),
        (("sims", "list", "-o", "xml"), "xml"),
        (("sims", "get"), "NAME"),
        (("sims", "list", "--status", "activ"), "did you mean 'active'"),
        (("sims", "update", SID, "--status", "activ"), "did you mean 'active'"),
        (("sims", "update", SID, "--status", "scheduled"), "ready, active, inactive"),
        (
            ("sims", "update", SID, "--status", "inactivated"),
            "it must be one of ready, active, inactive",
        ),
        (("deactivate", __file__), "Unknown command: deactivate. Commands: "),
        (("sims", "update", SID), "--status"),
        (("sims", "update", SID, "--rate-plan", "x"), "--fleet"),
        (("sims", "list", "--product", "wireless", "--fleet", "x"), "--rate-plan"),
        (("sims", "wait", SID, "--until", "gone"), "gone"),
        (("sims", "wait", SID, "--timeout", "0"), "timeout"),
        (("activate", "no-such-file.csv"), "no-such-file.csv"),
        (("activate",), "FILE"),
        (("activate", "-"), "--journal"),
        (("activate", "-", "--jurnal", "x"), "did you mean --journal"),
        (("activate", "--statsu", "active", __file__), "did you mean --status"),
        (("activate", __file__, "--statsu", "active"), "did you mean --status"),
        (("activate", __file__, "another.csv"), "another.csv"),
        (("bulk", "chnage", __file__), "did you mean change?"),
        (("bulk", "unregister", __file__), "Unknown command: unregister. Commands: "),
        (("sims", "update", SID, "--fleet", ""), "--fleet has an empty value"),
        (("sims", "update", SID, "--unique-name="), "--unique-name has an empty value"),
        (("sims", "update", SID, "--status", "active", "--fleet", " "), "--clear"),
        (("sims", "list", "--iccid", ""), "--iccid has an empty value"),
        (("sims", "get", ""), "an argument is empty"),
        (("activate", __file__, "--fleet", ""), "--fleet has an empty value"),
        (("activate", __file__, "--journal", ""), "--journal has an empty value"),
        (("bulk", "send", __file__, "--payload", ""), "--payload has an empty value"),
        (("bulk", "register", __file__, "--registration-code", ""), "--registration-code"),
        (("sims", "update", SID, "--clear", ""), "--clear has an empty value"),
        (("sims", "update", SID, "--clear", "status"), "only unique-name, fleet can be cleared"),
        (("sims", "update", SID, "--fleet", "f", "--clear", "fleet"), "contradict"),
        (("bulk", "change", __file__, "--clear", "rate-plan"), "--clear rate-plan"),
        (("activate", __file__, "--listen", "99999"), "99999"),
        (("jobs", "status"), "JOB"),
        (("fleets", "get"), "NAME"),
        (("sims", "list", "--columns", "stauts"), "did you mean 'status'"),
        (("sims", "get", SID, "--columns", "colour"), "there are sid, status"),
        (("sims", "get", SID, SID), "named twice"),
        (("sims", "update", SID, "x", "--unique-name", "y"), "--unique-name is for one SIM"),
        (("sims", "list", "--interval", "3"), "--interval needs --watch"),
        (("sims", "list", "--watch", "-o", "json"), "-o ndjson"),
        (("commands", "list", "--direction", "up"), "--direction"),
        (("commands", "list", "--status", "snet"), "did you mean 'sent'"),
        (("drift", "no-such-file.csv"), "no-such-file.csv"),
        (("drift", __file__, "--fix", "."), "--fix"),
        (("activate", __file__, "--breaker", "0"), "--breaker"),
        (("activate", __file__, "--breaker", "of"), "--breaker"),
        (("activate", __file__, "--confirm-above", "-1"), "--confirm-above"),
        (("activate", "."), "directory"),
        (("activate", __file__, "--timeout", "0"), "--timeout"),
        (("activate", __file__, "--window", "0"), "--window"),
        (("demo", "--sims", "0"), "--sims"),
        (("demo", "--lose-callbacks", "3"), "probability"),
        (("demo", "--speed", "0"), "speed"),
        (("emulate", "--port", "99999"), "port"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
async def test_invalid_usage_is_one_line_and_code_2(
    arguments: tuple[str, ...], said: str, cli: Cli, emulator: Emulator
) -> None:
    ended = await cli(*arguments)
    assert ended.code == 2
    assert ended.out == ""
    errors = [line for line in ended.err.splitlines() if not line.startswith("waiting for")]
    assert len(errors) == 1
    assert errors[0].startswith("asyncsim: ")
    assert said.lower() in errors[0].lower()
    assert not [request for request in emulator.requests if request.method == "POST"]


async def test_control_characters_in_names_are_escaped_on_a_terminal(
    cli: Cli, emulator: Emulator, tmp_path: Path
) -> None:
    name = "a  [/b] :smile: \x1b[2J\x9b\u202ex"
    shown = r"a  [/b] :smile: \x1b[2J\x9b\u202ex"
    batch = tmp_path / "batch.csv"
    batch.write_text(f"status,iccid\nactive,{name}\n", encoding="utf-8")
    for command in (
        ("sims", "get", name),
        ("sims", "wait", name),
        ("sims", "list", "--status", name),
        ("bulk", "change", str(batch)),
        ("bulk", "change", str(batch), "--columns", name),
        (name,),
    ):
        ended = await cli(*command)
        assert ended.code in (1, 2)
        assert not [one for one in ended.err if one in "\x1b\x9b\u202e"], command
        assert shown in ended.err, command


async def test_missing_credentials_end_with_4(cli: Cli) -> None:
    ended = await cli("sims", "list")
    assert ended.code == 4
    assert "TWILIO_ACCOUNT_SID" in ended.err


async def test_credentials_of_both_vendors_require_the_vendor_option(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TWILIO_ACCOUNT_SID", "AC" + "0" * 32)
    monkeypatch.setenv("ASYNCSIM_KORE_CLIENT_ID", "apiclient_0")
    ended = await cli("sims", "list")
    assert ended.code == 4
    assert "--vendor twilio" in ended.err


@pytest.mark.parametrize("vendor", ["twilio", "kore"])
async def test_rejected_credentials_end_with_4_and_are_not_shown(
    vendor: str, cli: Cli, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TWILIO_ACCOUNT_SID", "AC" + "0" * 32)
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", "a-wrong-secret")
    monkeypatch.setenv("ASYNCSIM_KORE_CLIENT_ID", "apiclient_0")
    monkeypatch.setenv("ASYNCSIM_KORE_CLIENT_SECRET", "a-wrong-secret")
    ended = await cli("sims", "list", "--vendor", vendor)
    assert ended.code == 4
    assert "a-wrong-secret" not in ended.err
    assert ended.err.count("\n") == 1


async def test_an_error_response_ends_with_1(cli: Cli, emulator: Emulator) -> None:
    ended = await cli("sims", "update", SID, "--status", "active")
    assert ended.code == 1
    assert "404" in ended.err


async def test_an_emulator_that_is_down_is_one_line(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Refused connections are retried after a pause, which would slow the test down.
    monkeypatch.setattr(RetryPolicy, "pause", lambda *_: 0.0)
    monkeypatch.setenv("ASYNCSIM_EMULATOR", f"http://127.0.0.1:{unused_port()}")
    ended = await cli("sims", "list")
    assert ended.code == 1
    assert "cannot connect" in ended.err
    assert ended.err.count("\n") == 1


GROUPS = ("", "auth", "bulk", "commands", "fleets", "jobs", "rate-plans", "sims")


@pytest.mark.parametrize("command", [*GROUPS, *COMMANDS])
async def test_every_help_fits_a_screen_and_has_an_example(command: str, cli: Cli) -> None:
    name = command.removeprefix("asyncsim ")
    ended = await cli(*name.split(), "--help")
    lines = ended.out.splitlines()
    assert ended.code == 0
    assert len(lines) <= 51
    assert max(map(len, lines)) <= 80
    assert command in GROUPS or f"Example: {command}" in ended.out


async def test_the_version_is_that_of_the_package(cli: Cli) -> None:
    from importlib.metadata import version

    assert (await cli("--version")).out.strip() == version("asyncsim")


@pytest.mark.parametrize(
    "name", [SID, "89883070000099999999", "no-such-name"], ids=["sid", "iccid", "unique name"]
)
@pytest.mark.parametrize(
    "command",
    ["sims get", "sims update --status active", "sims update --status active --wait", "sims wait",
     "activate", "activate --dry-run", "drift"],
)  # fmt: skip
async def test_what_the_account_does_not_have_ends_with_1_whatever_the_command(
    command: str, name: str, cli: Cli, emulator: Emulator, tmp_path: Path
) -> None:
    batch = tmp_path / "batch.csv"
    column = "sid" if name == SID else "iccid" if name.isdecimal() else "unique_name"
    batch.write_text(f"{column},status\n{name},active\n")
    words = command.split()
    subject = str(batch) if words[0] in ("activate", "drift") else name
    ended = await cli(*words, subject)
    assert ended.code == 1, ended.err


@pytest.mark.parametrize(
    ("command", "prefix"), [("fleets", "HF"), ("rate-plans", "WP"), ("commands", "HC")]
)
async def test_an_unknown_record_ends_with_1_like_an_unknown_sim(
    command: str, prefix: str, cli: Cli, emulator: Emulator
) -> None:
    ended = await cli(command, "get", prefix + "0" * 32)
    assert ended.code == 1, ended.err

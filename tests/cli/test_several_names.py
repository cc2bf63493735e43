"""Commands that take several names."""

from __future__ import annotations

import pytest

from asyncsim.emulator import Emulator, Faults
from tests.cli.conftest import Cli

UNKNOWN = "8988000000000000000"


def sids(emulator: Emulator, count: int, product: str = "supersim") -> list[str]:
    return list(emulator.world("twilio").sims(product))[:count]


async def test_results_come_in_the_order_of_the_names(cli: Cli, emulator: Emulator) -> None:
    names = sids(emulator, 12)[::-1]
    for output in ("json", "csv"):
        ended = await cli("sims", "get", *names, "-o", output)
        rows = ended.json if output == "json" else ended.rows
        assert (ended.code, [row["sid"] for row in rows]) == (0, names)
    table = await cli("sims", "get", *names)
    assert [line.split()[0] for line in table.out.splitlines()] == ["sid", *names]


async def test_a_name_that_fails_stops_no_other(cli: Cli, emulator: Emulator) -> None:
    first, second = sids(emulator, 2)
    ended = await cli("sims", "get", first, UNKNOWN, second, "-o", "ndjson", "--columns", "sid")
    assert ended.code == 1
    assert ended.out == f'{{"sid": "{first}"}}\n{{"sid": "{second}"}}\n'
    assert ended.err.startswith(f"asyncsim: {UNKNOWN}: no SIM of this account")
    assert ended.err.count("\n") == 1


async def test_several_sims_are_updated_and_awaited_together(cli: Cli, emulator: Emulator) -> None:
    names = sids(emulator, 3)
    ended = await cli(
        *("sims", "update", *names, UNKNOWN, "--status", "active", "--wait"),
        *("-o", "csv", "--columns", "sid,status"),
    )
    assert ended.code == 1
    assert ended.rows == [{"sid": sid, "status": "active"} for sid in names]
    assert "updating 4 SIMs and waiting until they have settled" in ended.err
    waited = await cli("sims", "wait", *names, "--until", "active", "-o", "csv")
    assert (waited.code, len(waited.rows)) == (0, 3)


async def test_only_timeouts_end_with_3_and_a_failure_outweighs_them(
    cli: Cli, emulator: Emulator
) -> None:
    emulator.latency = type(emulator.latency)(transition=1e6, longest=1e6)
    names = sids(emulator, 2)
    late = ("--status", "active", "--wait", "--timeout", "0.05")
    assert (await cli("sims", "update", *names, *late)).code == 3
    ended = await cli("sims", "wait", *names, UNKNOWN, "--timeout", "0.05")
    assert ended.code == 1


async def test_rejected_credentials_end_with_4(
    cli: Cli, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TWILIO_ACCOUNT_SID", "AC" + "0" * 32)
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", "wrong")
    assert (await cli("sims", "get", *sids(emulator, 2))).code == 4


async def test_deactivating_several_requires_their_number(cli: Cli, emulator: Emulator) -> None:
    names = sids(emulator, 2, "wireless")
    update = ("sims", "update", *names, "--product", "wireless", "--status", "deactivated")
    for extra in ((), ("--confirm", "1")):
        ended = await cli(*update, *extra)
        assert (ended.code, "--confirm 2" in ended.err) == (5, True)
    assert not emulator.requests
    assert (await cli(*update, "--confirm", "2")).code == 0


async def test_a_sid_of_the_other_product_is_rejected_before_anything_is_sent(
    cli: Cli, emulator: Emulator
) -> None:
    names = [*sids(emulator, 1), *sids(emulator, 1, "wireless")]
    ended = await cli("sims", "update", *names, "--status", "active")
    assert (ended.code, "--product wireless" in ended.err) == (2, True)
    assert not emulator.requests


async def test_a_change_that_fails_at_the_vendor_is_named(cli: Cli, emulator: Emulator) -> None:
    emulator.faults = Faults(failing_updates=1.0)
    first, second = sids(emulator, 2, "wireless")
    ended = await cli(
        *("sims", "update", first, second, "--product", "wireless", "--status", "active"), "--wait"
    )
    assert ended.code == 1
    assert ended.err.count("but settled as 'new'") == 2
    assert f"asyncsim: {first}: " in ended.err


async def test_without_any_record_nothing_is_printed(cli: Cli, emulator: Emulator) -> None:
    for names in ((UNKNOWN,), (UNKNOWN, "missing")):
        for output in ("table", "csv"):
            ended = await cli("sims", "get", *names, "-o", output)
            assert (ended.code, ended.out) == (1, "")
            assert ended.err.count("\n") == len(names)

"""`asyncsim bulk`: one command for each kind of job."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
from attrs import evolve

from asyncsim.emulator import Emulator, Faults, Latency
from tests.cli.conftest import Cli, posts
from tests.cli.test_activate import fill, results, statuses


@pytest.fixture
def batch(tmp_path: Path) -> Path:
    return tmp_path / "batch.csv"


def sids(emulator: Emulator, product: str = "supersim") -> list[str]:
    return list(emulator.world("twilio").sims(product))


def made(emulator: Emulator, product: str, **fields: object) -> list[str]:
    """Set fields of all SIMs of a product, and return their SIDs."""
    store = emulator.world("twilio").sims(product)
    for sim in list(store.values()):
        store.put(evolve(sim, **fields))
    return list(store)


def lines(emulator: Emulator, values: Iterable[str], product: str = "supersim") -> list[str]:
    return [f"{sid},{value}" for sid, value in zip(sids(emulator, product), values, strict=True)]


async def test_options_apply_the_same_change_to_all(
    cli: Cli, emulator: Emulator, batch: Path
) -> None:
    fleet = emulator.world("twilio").add_fleet("vans")
    fill(batch, sids(emulator), "sid")
    ended = await cli("bulk", "change", str(batch), "--fleet", "vans", "--status", "active")
    assert ended.code == 0
    changed = emulator.world("twilio").sims("supersim").values()
    assert {(sim.status, sim.fleet_sid) for sim in changed} == {("active", fleet.sid)}


async def test_columns_of_the_file_set_a_change_per_sim(
    cli: Cli, emulator: Emulator, batch: Path
) -> None:
    fill(batch, lines(emulator, ["active", "ready"] * 6), "sid,status")
    ended = await cli("bulk", "change", str(batch), "--listen", "0")
    assert ended.code == 0
    assert statuses(emulator) == {"active", "ready"}


async def test_columns_override_options_only_when_selected(
    cli: Cli, emulator: Emulator, batch: Path
) -> None:
    fill(batch, lines(emulator, (f"van {n}" for n in range(12)), "wireless"), "sid,friendly name")
    common = ("bulk", "change", str(batch), "--product", "wireless", "--listen", "0")
    assert (await cli(*common, "--friendly-name", "none", "--journal", f"{batch}.1")).code == 0
    named = {sim.friendly_name for sim in emulator.world("twilio").sims("wireless").values()}
    assert named == {"none"}
    assert (await cli(*common, "--columns", "friendly_name", "--journal", f"{batch}.2")).code == 0
    named = {sim.friendly_name for sim in emulator.world("twilio").sims("wireless").values()}
    assert named == {f"van {n}" for n in range(12)}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("change", "--columns", "colour"), "colour"),
        (("change", "--product", "wireless", "--fleet", "x"), "--rate-plan"),
        (("change", "--friendly-name", "x"), "Programmable Wireless"),
        (("change", "--account", "missing"), "account"),
        (("change", "--status", "activ"), "did you mean 'active'"),
        (("send", "--payload", "x" * 200), "160"),
        (("change", "--concurrency", "0"), "--concurrency"),
        (("change", "--max-failures", "-1"), "--max-failures"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, tuple) else "",
)
async def test_an_impossible_change_is_rejected_before_the_file_is_read(
    arguments: tuple[str, ...], said: str, cli: Cli, emulator: Emulator, batch: Path
) -> None:
    fill(batch, sids(emulator), "sid")
    ended = await cli("bulk", arguments[0], str(batch), *arguments[1:])
    assert ended.code == 2
    assert said in ended.err
    assert ended.err.count("\n") == 1
    assert not emulator.requests
    assert list(batch.parent.iterdir()) == [batch]


async def test_cards_are_registered_with_their_registration_codes(
    cli: Cli, emulator: Emulator, batch: Path
) -> None:
    cards = [emulator.world("twilio").add_registrable() for _ in range(3)]
    rows = [f"{card.iccid},{card.registration_code}" for card in cards]
    fill(batch, rows, "iccid,registration code")
    assert (await cli("bulk", "register", str(batch))).code == 0
    known = {sim.iccid for sim in emulator.world("twilio").sims("supersim").values()}
    assert {card.iccid for card in cards} <= known


async def test_deleting_requires_the_exact_count(cli: Cli, emulator: Emulator, batch: Path) -> None:
    fill(batch, sids(emulator, "wireless"), "sid")
    ended = await cli("bulk", "delete", str(batch))
    assert ended.code == 5
    assert "--confirm-count 12" in ended.err
    assert len(sids(emulator, "wireless")) == 12
    assert (await cli("bulk", "delete", str(batch), "--confirm-count", "12")).code == 0
    assert sids(emulator, "wireless") == []


async def test_a_reset_is_sent_to_each_sim(cli: Cli, emulator: Emulator, batch: Path) -> None:
    fill(batch, made(emulator, "wireless", status="active"), "sid")
    assert (await cli("bulk", "reset", str(batch))).code == 0
    assert posts(emulator) == 12


@pytest.mark.parametrize("product", ["supersim", "wireless"])
async def test_a_command_is_sent_to_each_sim(
    product: str, cli: Cli, emulator: Emulator, batch: Path
) -> None:
    fill(batch, made(emulator, product, status="active"), "sid")
    command = ("bulk", "send", str(batch), "--product", product, "--payload", "report")
    assert (await cli(*command)).code == 0
    assert (await cli(*command)).code == 0  # a second run resends nothing
    assert posts(emulator) == 12


async def test_a_command_per_row_is_sent_to_each_sim(
    cli: Cli, emulator: Emulator, batch: Path
) -> None:
    made(emulator, "supersim", status="active")
    fill(batch, lines(emulator, (f"text {n}" for n in range(12))), "sid,payload")
    assert (await cli("bulk", "send", str(batch), "--columns", "payload")).code == 0
    assert {row["asyncsim_result"] for row in results(batch)} == {"done"}


async def test_a_run_with_a_limit_can_be_continued(
    cli: Cli, emulator: Emulator, batch: Path
) -> None:
    fill(batch, sids(emulator), "sid")
    command = ("bulk", "change", str(batch), "--status", "active", "--listen", "0", "--limit", "7")
    ended = await cli(*command)
    assert ended.code == 3
    assert "5 not sent yet" in ended.err
    assert "the run ended early: limit" in ended.err
    assert (await cli(*command)).code == 0
    assert posts(emulator) == 12


async def test_a_run_ends_at_its_deadline_and_can_be_continued(
    cli: Cli, emulator: Emulator, batch: Path
) -> None:
    emulator.latency = Latency(transition=1e6, longest=1e6)
    fill(batch, sids(emulator), "sid")
    ended = await cli("bulk", "change", str(batch), "--status", "active", "--deadline", "0.5")
    assert ended.code == 3
    assert "the run ended early: deadline" in ended.err
    assert "to resume: asyncsim bulk change" in ended.err


async def test_too_many_failures_stop_a_run(cli: Cli, emulator: Emulator, batch: Path) -> None:
    emulator.faults = Faults(failing_updates=1.0)
    fill(batch, sids(emulator, "wireless"), "sid")
    ended = await cli(
        *("bulk", "change", str(batch), "--product", "wireless", "--status", "active"),
        *("--listen", "0", "--max-failures", "2", "--window", "1"),
    )
    assert ended.code == 1
    assert posts(emulator) == 3
    assert "the run ended early: max_failures" in ended.err


async def test_max_rps_limits_the_request_rate(cli: Cli, emulator: Emulator, batch: Path) -> None:
    fill(batch, sids(emulator), "sid")
    pace = ("--concurrency", "2", "--max-rps", "1000", "--window", "3")
    assert (await cli("bulk", "change", str(batch), "--status", "active", *pace)).code == 0
    assert statuses(emulator) == {"active"}


async def test_a_file_from_stdin_requires_a_journal_path(
    cli: Cli, emulator: Emulator, batch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ("bulk", "change", "-", "--status", "active", "--listen", "0")
    assert "--journal" in (await cli(*command)).err
    text = "\n".join(["sid", *sids(emulator)])
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    journal = batch.with_suffix(".db")
    assert (await cli(*command, "--journal", str(journal))).code == 0
    assert statuses(emulator) == {"active"}


async def test_a_field_is_cleared_by_name(cli: Cli, emulator: Emulator, tmp_path: Path) -> None:
    world = emulator.world("twilio")
    named = [world.add_sim("supersim", unique_name=f"van {number}").sid for number in range(3)]
    path = tmp_path / "vans.csv"
    fill(path, named, "sid")
    ended = await cli("bulk", "change", str(path), "--clear", "unique-name")
    assert ended.code == 0, ended.err
    assert "update unique_name=(cleared) for vans.csv" in ended.err
    assert not [sim for sid in named if (sim := world.sims("supersim")[sid]).unique_name]

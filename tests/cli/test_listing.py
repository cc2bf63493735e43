"""`asyncsim fleets`, `rate-plans` and `commands`, and the choice of columns."""

from __future__ import annotations

import json

import pytest

from asyncsim.emulator import Emulator
from tests.cli.conftest import Cli


@pytest.mark.parametrize("vendor", ["twilio", "kore"])
async def test_fleets_are_listed_and_shown_by_name(
    vendor: str, cli: Cli, emulator: Emulator
) -> None:
    world = emulator.world(vendor)
    known = {fleet.unique_name: sid for sid, fleet in world.fleets.items()}
    listed = await cli("fleets", "list", "--vendor", vendor, "-o", "csv")
    assert (listed.code, {row["unique_name"]: row["sid"] for row in listed.rows}) == (0, known)
    shown = await cli("fleets", "get", "default", "--vendor", vendor, "-o", "json")
    assert shown.json["sid"] == known["default"]
    profile = shown.json["network_access_profile_sid"]
    filtered = await cli(
        *("fleets", "list", "--vendor", vendor, "-o", "json"),
        *("--network-access-profile", profile, "--limit", "1"),
    )
    assert len(filtered.json) == 1
    assert emulator.requests[-1].query["NetworkAccessProfile"] == [profile]


@pytest.mark.parametrize("vendor", ["twilio", "kore"])
async def test_rate_plans_are_listed_and_shown_by_name(
    vendor: str, cli: Cli, emulator: Emulator
) -> None:
    world = emulator.world(vendor)
    known = {plan.unique_name: sid for sid, plan in world.rate_plans.items()}
    listed = await cli("rate-plans", "list", "--vendor", vendor, "-o", "csv")
    assert (listed.code, {row["unique_name"]: row["sid"] for row in listed.rows}) == (0, known)
    several = await cli("rate-plans", "get", *known, "--vendor", vendor, "-o", "json")
    assert [row["unique_name"] for row in several.json] == list(known)


@pytest.mark.parametrize(("product", "text"), [("supersim", "payload"), ("wireless", "command")])
async def test_commands_are_listed_by_sim_and_direction_and_shown(
    product: str, text: str, cli: Cli, emulator: Emulator
) -> None:
    world = emulator.world("twilio")
    first, second, *_ = world.sims(product).values()
    for sim in (first, second):
        world.send_command(product, sim.sid, "temp=21")
    assert first.iccid is not None
    for name in (first.sid, first.iccid):
        listed = await cli(
            *("commands", "list", "--product", product, "--sim", name),
            *("--direction", "from_sim", "--status", "received", "-o", "json"),
        )
        (command,) = listed.json
        assert (command["sim_sid"], command[text]) == (first.sid, "temp=21")
    table = await cli("commands", "list", "--product", product)
    assert table.out.split()[:4] == ["sid", "status", "direction", text]
    shown = await cli("commands", "get", command["sid"], "--product", product, "-o", "json")
    assert shown.json == command
    assert (await cli("commands", "list", "--product", product, "--sim", "89880" * 4)).code == 1


async def test_tables_of_every_kind_fit_80_columns(cli: Cli, emulator: Emulator) -> None:
    world = emulator.world("twilio")
    for product in ("supersim", "wireless"):
        (sid, *_) = world.sims(product)
        world.send_command(product, sid, "a text with many words, " * 5)
        ended = await cli("commands", "list", "--product", product)
        lines = ended.out.splitlines()
        assert max(map(len, [line[: line.find("a text")] for line in lines[1:]])) <= 60
    for kind in ("fleets", "rate-plans"):
        ended = await cli(kind, "list")
        assert max(map(len, ended.out.splitlines())) <= 80


@pytest.mark.parametrize("output", ["table", "csv", "json", "ndjson"])
async def test_columns_are_chosen_in_every_format(
    output: str, cli: Cli, emulator: Emulator
) -> None:
    ended = await cli(
        *("sims", "list", "--limit", "2", "--columns", "iccid, fleet-sid,status", "-o", output)
    )
    sims = list(emulator.world("twilio").sims("supersim").values())
    names = ["iccid", "fleet_sid", "status"]
    assert ended.code == 0
    if output == "table":
        assert ended.out.split()[:3] == names
        return
    rows = ended.rows if output == "csv" else None
    if rows is None:
        rows = ended.json if output == "json" else [*map(json.loads, ended.out.splitlines())]
    assert [list(row) for row in rows] == [names, names]
    known = {sim.iccid for sim in sims}
    assert {row["iccid"] for row in rows} <= known


async def test_the_columns_of_a_single_record_are_chosen(cli: Cli, emulator: Emulator) -> None:
    (sid, *_) = emulator.world("twilio").sims("supersim")
    table = await cli("sims", "get", sid, "--columns", "status,sid")
    assert table.out == f"status  new\nsid     {sid}\n"
    record = await cli("sims", "get", sid, "--columns", "links", "-o", "json")
    assert set(record.json) == {"links"}


async def test_a_line_break_in_a_name_stays_inside_its_line_of_json(
    cli: Cli, emulator: Emulator
) -> None:
    name = "two\u2028lines\nor three"
    sim = emulator.world("twilio").add_sim("supersim", unique_name=name)
    ended = await cli("sims", "list", "-o", "ndjson")
    rows = [json.loads(line) for line in ended.out.splitlines()]
    assert {row["sid"]: row["unique_name"] for row in rows}[sim.sid] == name

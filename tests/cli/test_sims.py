from __future__ import annotations

from typing import Any

from attrs import evolve

from asyncsim.emulator import Emulator
from tests.cli.conftest import Cli


async def test_a_list_as_csv_has_every_field_and_one_row_per_sim(
    cli: Cli, emulator: Emulator
) -> None:
    ended = await cli("sims", "list", "-o", "csv")
    assert ended.code == 0
    assert ended.err == ""
    assert {row["sid"] for row in ended.rows} == set(emulator.world("twilio").sims("supersim"))
    assert {"iccid", "fleet_sid", "date_created"} <= set(ended.rows[0])


async def test_iccids_stay_text_in_json(cli: Cli, emulator: Emulator) -> None:
    ended = await cli("sims", "list", "--product", "wireless", "-o", "json")
    sims = emulator.world("twilio").sims("wireless")
    assert {row["sid"]: row["iccid"] for row in ended.json} == {
        sid: sim.iccid for sid, sim in sims.items()
    }


async def test_a_table_fits_80_columns(cli: Cli, emulator: Emulator) -> None:
    ended = await cli("sims", "list", "--limit", "3")
    lines = ended.out.splitlines()
    assert lines[0].split() == ["sid", "status", "iccid", "unique_name"]
    assert len(lines) == 4
    assert max(map(len, lines)) <= 80


async def test_filters_are_sent_to_the_vendor(cli: Cli, emulator: Emulator) -> None:
    world = emulator.world("kore")
    plan = world.add_rate_plan("mine")
    mine = world.add_sim("wireless", rate_plan_sid=plan.sid, status="suspended")
    ended = await cli(
        *("sims", "list", "--vendor", "kore", "--product", "wireless"),
        *("--status", "suspended", "--rate-plan", "mine", "--iccid", mine.iccid, "-o", "csv"),
    )
    assert [row["sid"] for row in ended.rows] == [mine.sid]
    assert emulator.requests[-1].query == {
        "Status": ["suspended"],
        "RatePlan": ["mine"],
        "Iccid": [mine.iccid],
        "PageSize": ["1000"],
    }


async def test_a_limit_requests_no_more_rows_than_needed(cli: Cli, emulator: Emulator) -> None:
    ended = await cli("sims", "list", "--limit", "5", "-o", "json")
    assert len(ended.json) == 5
    assert [request.query["PageSize"] for request in emulator.requests] == [["5"]]


async def test_an_empty_list_is_valid_in_every_format(cli: Cli, emulator: Emulator) -> None:
    nothing = ("sims", "list", "--status", "inactive", "-o")
    assert (await cli(*nothing, "json")).json == []
    assert (await cli(*nothing, "csv")).out.startswith("sid,")
    assert (await cli(*nothing, "csv")).rows == []
    assert (await cli(*nothing, "table")).code == 0


async def test_one_sim_is_found_by_sid_name_and_iccid(cli: Cli, emulator: Emulator) -> None:
    sim = emulator.world("twilio").add_sim("supersim", unique_name="van 7/left")
    for name in (sim.sid, "van 7/left", sim.iccid):
        assert (await cli("sims", "get", name, "-o", "json")).json["sid"] == sim.sid


async def test_a_missing_sim_is_one_line_and_code_1_in_every_command(
    cli: Cli, emulator: Emulator
) -> None:
    for name in ("missing", "8988000000000000000", f"HS{'0' * 32}"):
        for command in (
            ("get",),
            ("wait",),
            ("update", "--status", "active"),
            ("wait", "--until", "active"),
        ):
            ended = await cli("sims", command[0], name, *command[1:])
            assert (ended.code, ended.out) == (1, ""), ended.err
            assert name in ended.err


async def test_a_sid_of_the_other_product_names_the_option_to_use(
    cli: Cli, emulator: Emulator
) -> None:
    (sid, *_) = emulator.world("twilio").sims("wireless")
    for command in ("get", "wait", "update"):
        more = ("--status", "active") if command == "update" else ()
        ended = await cli("sims", command, sid, *more)
        assert ended.code == 2
        assert "--product wireless" in ended.err
    assert not emulator.requests


async def test_an_update_shows_the_response_and_with_wait_the_final_status(
    cli: Cli, emulator: Emulator
) -> None:
    first, second, *_ = emulator.world("twilio").sims("supersim").values()
    change = ("--status", "active", "-o", "json")
    assert (await cli("sims", "update", first.sid, *change)).json["status"] == "scheduled"
    ended = await cli("sims", "update", str(second.iccid), "--wait", *change)
    assert ended.json["status"] == "active"
    assert f"updating {second.iccid} and waiting until it has settled" in ended.err


async def test_waiting_ends_at_the_target_status(cli: Cli, emulator: Emulator) -> None:
    (sid, *_) = emulator.world("twilio").sims("supersim")
    await cli("sims", "update", sid, "--status", "active")
    ended = await cli("sims", "wait", sid, "--until", "active", "-o", "json")
    assert (ended.code, ended.json["status"]) == (0, "active")


async def test_a_timeout_ends_with_3_and_the_wait_can_be_continued(
    cli: Cli, emulator: Emulator
) -> None:
    emulator.latency = type(emulator.latency)(transition=1e6, longest=1e6)
    (sid, *_) = emulator.world("twilio").sims("supersim")
    ended = await cli("sims", "update", sid, "--status", "active", "--wait", "--timeout", "0.05")
    assert ended.code == 3
    assert "await_transition" in ended.err


async def test_deactivating_requires_confirmation(cli: Cli, emulator: Emulator) -> None:
    (sid, *_) = emulator.world("twilio").sims("wireless")
    update = ("sims", "update", sid, "--product", "wireless", "--status", "deactivated")
    for extra in ((), ("--confirm", "2")):
        ended = await cli(*update, *extra)
        assert ended.code == 5
        assert "--confirm 1" in ended.err
    assert not emulator.requests
    assert (await cli(*update, "--confirm", "1")).code == 0


async def test_an_empty_unique_name_clears_it(cli: Cli, emulator: Emulator) -> None:
    sim = emulator.world("twilio").add_sim("supersim", unique_name="old")
    assert (await cli("sims", "update", sim.sid, "--clear", "unique-name")).code == 0
    assert not emulator.world("twilio").sims("supersim")[sim.sid].unique_name


async def test_an_unreadable_sim_is_named_and_hides_no_other(cli: Cli, emulator: Emulator) -> None:
    store = emulator.world("twilio").sims("supersim")
    unreadable_sid = list(store)[3]
    unreadable: Any = [7]
    store.put(evolve(store[unreadable_sid], account_sid=unreadable))
    ended = await cli("sims", "list", "-o", "csv")
    assert ended.code == 1, "a list that lacks a SIM is not a success"
    assert {row["sid"] for row in ended.rows} == set(store) - {unreadable_sid}
    named, summary = ended.err.splitlines()
    assert named == f"cannot read Sim {unreadable_sid}: expected text, got [7] @ .account_sid"
    assert summary == ("asyncsim: 1 record was left out of this list, because it cannot be read")
    iccid = store[unreadable_sid].iccid
    assert iccid is not None
    for name in (unreadable_sid, iccid):
        ended = await cli("sims", "get", name)
        assert (ended.code, ended.out) == (1, "")
        assert ended.err == f"asyncsim: {named}\n"


async def test_a_sim_without_a_status_is_listed(cli: Cli, emulator: Emulator) -> None:
    store = emulator.world("kore").sims("supersim")
    sid = list(store)[3]
    store.put(evolve(store[sid], status=None))
    table = await cli("sims", "list", "--vendor", "kore")
    assert sid in table.out
    ended = await cli("sims", "list", "--vendor", "kore", "-o", "csv")
    assert {row["sid"]: row["status"] for row in ended.rows}[sid] == ""
    assert ended.code == 0

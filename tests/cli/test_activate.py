from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path

import pytest

from asyncsim.cli.activate import COLUMNS
from asyncsim.emulator import Emulator, Faults, Latency
from tests.cli.conftest import Cli, posted, posts


@pytest.fixture
def batch(tmp_path: Path) -> Path:
    return tmp_path / "batch.csv"


def iccids(emulator: Emulator, product: str = "supersim", vendor: str = "twilio") -> list[str]:
    return [sim.iccid for sim in emulator.world(vendor).sims(product).values()]


def fill(batch: Path, names: Iterable[str], header: str = "iccid") -> None:
    batch.write_text("\n".join([header, *names, ""]), encoding="utf-8")


def statuses(emulator: Emulator, product: str = "supersim", vendor: str = "twilio") -> set[str]:
    return {sim.status for sim in emulator.world(vendor).sims(product).values()}


async def test_results_come_in_the_order_of_the_file(
    cli: Cli, emulator: Emulator, batch: Path
) -> None:
    wanted = sorted(iccids(emulator))
    fill(batch, wanted)
    ended = await cli("activate", str(batch), "--listen", "0", "-o", "csv")
    assert ended.code == 0
    assert tuple(ended.rows[0]) == COLUMNS
    assert [row["iccid"] for row in ended.rows] == wanted
    assert {(row["status"], row["result"], row["settled_by"]) for row in ended.rows} == {
        ("active", "done", "callback")
    }
    assert statuses(emulator) == {"active"}


async def test_the_report_goes_to_stderr(cli: Cli, emulator: Emulator, batch: Path) -> None:
    fill(batch, iccids(emulator))
    ended = await cli("activate", str(batch), "--listen", "0", "-o", "json")
    assert len(ended.json) == 12
    assert "settled 12/12" in ended.err
    assert "callback 12" in ended.err
    assert "requests per SIM" in ended.err


async def test_a_table_of_results_fits_80_columns(
    cli: Cli, emulator: Emulator, batch: Path
) -> None:
    fill(batch, iccids(emulator, "wireless"))
    ended = await cli(
        *("activate", str(batch), "--product", "wireless", "--status", "deactivated"),
        *("--confirm", "12", "--listen", "0"),
    )
    lines = ended.out.splitlines()
    assert lines[0].split() == ["sid", "iccid", "status", "result"]
    assert len(lines) == 13
    assert max(map(len, lines)) <= 80


async def test_many_iccids_cost_one_walk_of_the_list(
    cli: Cli, emulator: Emulator, batch: Path
) -> None:
    fill(batch, iccids(emulator))
    await cli("activate", str(batch), "--listen", "0")
    assert [request.method for request in emulator.requests].count("GET") == 1


async def test_few_are_asked_for_one_by_one(cli: Cli, emulator: Emulator, batch: Path) -> None:
    sims = list(emulator.world("twilio").sims("supersim").values())
    named = emulator.world("twilio").add_sim(
        "supersim", unique_name="van 7", fleet_sid=sims[0].fleet_sid
    )
    fill(batch, [sims[0].sid, str(sims[1].iccid), "van 7"], header="sid")
    ended = await cli("activate", str(batch), "--listen", "0", "-o", "csv")
    assert [row["sid"] for row in ended.rows] == [sims[0].sid, sims[1].sid, named.sid]
    looked_up = [request for request in emulator.requests if request.method == "GET"]
    assert len(looked_up) == 3
    assert all("PageSize" not in request.query for request in looked_up)


async def test_the_other_product_and_vendor_with_a_rate_plan(
    cli: Cli, emulator: Emulator, batch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASYNCSIM_KORE_WEBHOOK_SECRET", emulator.credentials.webhook_secret)
    fill(batch, iccids(emulator, "wireless", "kore"))
    ended = await cli(
        *("activate", str(batch), "--product", "wireless", "--vendor", "kore"),
        *("--rate-plan", "other", "--listen", "127.0.0.1:0", "-o", "csv"),
    )
    assert ended.code == 0
    assert statuses(emulator, "wireless", "kore") == {"active"}
    plans = {sim.rate_plan_sid for sim in emulator.world("kore").sims("wireless").values()}
    (other,) = [
        plan for plan in emulator.world("kore").rate_plans.values() if plan.unique_name == "other"
    ]
    assert plans == {other.sid}


async def test_nothing_is_sent_when_a_sim_is_unknown_or_named_twice(
    cli: Cli, emulator: Emulator, batch: Path
) -> None:
    (sim, *_) = emulator.world("twilio").sims("supersim").values()
    unknown = "8988000000000000000"
    fill(batch, [f"{sim.sid},", f",{sim.iccid}", f",{unknown}"], header="sid,iccid")
    ended = await cli("activate", str(batch))
    assert ended.code == 2
    assert f"1 unknown to this account and product, line 4: {unknown}" in ended.err
    assert "1 named more than once, line 3" in ended.err
    assert "POST" not in {request.method for request in emulator.requests}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--status", "activ"), "did you mean 'active'"),
        (("--fleet", "nowhere"), "nowhere"),
        (("--product", "wireless", "--rate-plan", "nowhere"), "nowhere"),
    ],
)
async def test_a_change_that_no_sim_could_make_is_refused_once(
    options: tuple[str, ...], said: str, cli: Cli, emulator: Emulator, batch: Path
) -> None:
    fill(batch, iccids(emulator, "wireless" if "wireless" in options else "supersim"))
    ended = await cli("activate", str(batch), *options)
    assert ended.code == 2
    assert said in ended.err
    assert ended.err.count("\n") == 1
    assert posts(emulator) == 0


async def test_failures_are_told_and_end_with_1(cli: Cli, emulator: Emulator, batch: Path) -> None:
    emulator.faults = Faults(failing_updates=1.0)
    fill(batch, iccids(emulator, "wireless"))
    ended = await cli("activate", str(batch), "--product", "wireless", "--listen", "0", "-o", "csv")
    assert ended.code == 1
    assert {row["result"] for row in ended.rows} == {"failed"}
    assert all(row["error"] for row in ended.rows)
    assert "failed 12" in ended.err
    assert "... and 2 more" in ended.err


async def test_what_is_late_ends_with_3(cli: Cli, emulator: Emulator, batch: Path) -> None:
    emulator.latency = Latency(transition=1e6, longest=1e6)
    fill(batch, iccids(emulator))
    ended = await cli("activate", str(batch), "--timeout", "0.05", "-o", "csv")
    assert ended.code == 3
    assert {row["result"] for row in ended.rows} == {"timed out"}


async def test_deactivating_needs_the_number_confirmed(
    cli: Cli, emulator: Emulator, batch: Path
) -> None:
    fill(batch, iccids(emulator, "wireless"))
    command = ("activate", str(batch), "--product", "wireless", "--status", "deactivated")
    for extra in ((), ("--confirm", "11")):
        ended = await cli(*command, *extra)
        assert ended.code == 5
        assert "12 SIMs" in ended.err
        assert "--confirm 12" in ended.err
    assert not emulator.requests
    assert (await cli(*command, "--confirm", "12", "--listen", "0")).code == 0
    assert statuses(emulator, "wireless") == {"deactivated"}


async def test_the_first_interruption_stops_sending_and_reports(
    cli: Cli, emulator: Emulator, batch: Path
) -> None:
    emulator.latency = Latency(transition=1e6, longest=1e6)
    fill(batch, iccids(emulator))
    running = asyncio.create_task(cli("activate", str(batch), "--window", "5", "-o", "csv"))
    await posted(emulator, 5)
    running.cancel()
    ended = await running
    assert ended.code == 130
    results = [row["result"] for row in ended.rows]
    assert results.count("unfinished") in (5, 6)  # one may have been read while nothing was sent
    assert set(results) == {"unfinished", "not sent"}
    assert "the same command, run again" in ended.err
    assert posts(emulator) == 5


async def test_running_it_again_finishes_what_was_interrupted(
    cli: Cli, emulator: Emulator, batch: Path
) -> None:
    names = iccids(emulator)
    fill(batch, names[:11])
    await cli("activate", str(batch), "--listen", "0")
    fill(batch, names)
    ended = await cli("activate", str(batch), "--listen", "0", "-o", "csv")
    assert ended.code == 0
    assert sorted(row["settled_by"] for row in ended.rows) == ["answer"] * 11 + ["callback"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--listen", "80a0"), "HOST:PORT"),
        (("--public-url", "https://example.com"), "--listen"),
        (("--listen", "0", "--public-url", "example.com"), "public_url"),
    ],
)
async def test_a_listener_that_cannot_work_is_refused(
    options: tuple[str, ...], said: str, cli: Cli, emulator: Emulator, batch: Path
) -> None:
    fill(batch, iccids(emulator))
    ended = await cli("activate", str(batch), *options)
    assert ended.code == 2
    assert said in ended.err
    assert not emulator.requests


async def test_a_port_in_use_is_one_line(cli: Cli, emulator: Emulator, batch: Path) -> None:
    fill(batch, iccids(emulator))
    port = emulator.url.rpartition(":")[2]
    ended = await cli("activate", str(batch), "--listen", port)
    assert ended.code == 2
    assert port in ended.err
    assert ended.err.count("\n") == 1


async def test_real_vendors_need_a_public_url(
    cli: Cli, batch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TWILIO_ACCOUNT_SID", "AC" + "0" * 32)
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", "secret")
    fill(batch, ["8988000000000000000"])
    ended = await cli("activate", str(batch), "--listen", "8080")
    assert ended.code == 2
    assert "--public-url" in ended.err

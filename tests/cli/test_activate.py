from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from asyncsim.emulator import Emulator, Faults, Latency
from tests.cli.conftest import Cli, posts

DEACTIVATE = ("--product", "wireless", "--status", "deactivated")


@pytest.fixture
def batch(tmp_path: Path) -> Path:
    return tmp_path / "batch.csv"


def iccids(emulator: Emulator, product: str = "supersim", vendor: str = "twilio") -> list[str]:
    return [sim.iccid for sim in emulator.world(vendor).sims(product).values()]


def fill(batch: Path, names: Iterable[str], header: str = "iccid") -> None:
    batch.write_text("\n".join([header, *names, ""]), encoding="utf-8")


def statuses(emulator: Emulator, product: str = "supersim", vendor: str = "twilio") -> set[str]:
    return {sim.status for sim in emulator.world(vendor).sims(product).values()}


def results(batch: Path, name: str = "results.csv") -> list[dict[str, str]]:
    with (batch.with_name("batch-results") / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def outcomes(batch: Path) -> set[str]:
    return {row["asyncsim_result"] for row in results(batch)}


async def test_results_are_written_next_to_the_file_in_its_order(
    cli: Cli, emulator: Emulator, batch: Path
) -> None:
    wanted = sorted(iccids(emulator))
    fill(batch, wanted)
    ended = await cli("activate", str(batch), "--listen", "0")
    assert (ended.code, ended.out) == (0, "")
    assert [row["iccid"] for row in results(batch)] == wanted
    assert outcomes(batch) == {"done"}
    assert results(batch, "failed.csv") == []
    assert statuses(emulator) == {"active"}


async def test_the_report_says_how_each_status_was_confirmed(
    cli: Cli, emulator: Emulator, batch: Path
) -> None:
    fill(batch, iccids(emulator))
    ended = await cli("activate", str(batch), "--listen", "0")
    assert "SIMs      12, all at their target" in ended.err
    assert "done      12: settled by callback 12, confirmed by a read 12" in ended.err
    assert "per SIM" in ended.err
    assert "p50 " in ended.err
    assert "results.csv: all 12" in ended.err


async def test_columns_of_the_file_are_copied_to_the_results(
    cli: Cli, emulator: Emulator, batch: Path
) -> None:
    fill(batch, (f"{one};van {n}" for n, one in enumerate(iccids(emulator))), "iccid;customer")
    await cli("activate", str(batch), "--listen", "0")
    assert [row["customer"] for row in results(batch)] == [f"van {n}" for n in range(12)]


async def test_many_iccids_cost_a_single_list_scan(
    cli: Cli, emulator: Emulator, batch: Path
) -> None:
    fill(batch, iccids(emulator))
    await cli("activate", str(batch), "--dry-run")
    assert [request.method for request in emulator.requests] == ["GET"]


async def test_a_batch_at_kore_programmable_wireless_sets_a_rate_plan(
    cli: Cli, emulator: Emulator, batch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASYNCSIM_KORE_WEBHOOK_SECRET", emulator.credentials.webhook_secret)
    fill(batch, iccids(emulator, "wireless", "kore"))
    ended = await cli(
        *("activate", str(batch), "--product", "wireless", "--vendor", "kore"),
        *("--rate-plan", "other", "--listen", "127.0.0.1:0"),
    )
    assert ended.code == 0
    assert statuses(emulator, "wireless", "kore") == {"active"}
    plans = {sim.rate_plan_sid for sim in emulator.world("kore").sims("wireless").values()}
    (other,) = [
        plan for plan in emulator.world("kore").rate_plans.values() if plan.unique_name == "other"
    ]
    assert plans == {other.sid}


async def test_all_errors_of_a_file_are_reported_at_once(
    cli: Cli, emulator: Emulator, batch: Path
) -> None:
    fill(batch, ["8.99E+19", *iccids(emulator)[:2], "nonsense", iccids(emulator)[0]])
    ended = await cli("activate", str(batch))
    assert ended.code == 2
    first, *problems = ended.err.splitlines()[-4:]
    assert first == "asyncsim: batch.csv cannot be used; nothing was sent"
    assert [problem.split(":")[0].strip() for problem in problems[:2]] == ["line 2", "line 5"]
    assert problems[2].endswith("is named more than once: lines 3, 6")
    assert not emulator.requests
    assert not batch.with_suffix(".db").exists()


async def test_a_missing_sim_does_not_stop_the_others(
    cli: Cli, emulator: Emulator, batch: Path
) -> None:
    fill(batch, [*iccids(emulator), "8988000000000000002"])
    ended = await cli("activate", str(batch), "--listen", "0")
    assert ended.code == 1
    assert "SIMs      13, 12 at their target" in ended.err
    assert "1 unknown SIM" in ended.err
    assert statuses(emulator) == {"active"}
    assert [row["iccid"] for row in results(batch, "failed.csv")] == ["8988000000000000002"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--status", "activ"), "did you mean 'active'"),
        (("--fleet", "nowhere"), "nowhere"),
        (("--product", "wireless", "--rate-plan", "nowhere"), "nowhere"),
    ],
)
async def test_a_change_that_no_sim_can_make_is_rejected_once(
    options: tuple[str, ...], said: str, cli: Cli, emulator: Emulator, batch: Path
) -> None:
    fill(batch, iccids(emulator, "wireless" if "wireless" in options else "supersim"))
    ended = await cli("activate", str(batch), *options)
    assert ended.code == 2
    assert said in ended.err
    assert len(ended.err.splitlines()) <= 3
    assert len(emulator.requests) <= 2  # not one for each row
    assert posts(emulator) == 0


async def test_failures_are_reported_and_end_with_1(
    cli: Cli, emulator: Emulator, batch: Path
) -> None:
    emulator.faults = Faults(failing_updates=1.0)
    fill(batch, iccids(emulator, "wireless"))
    ended = await cli("activate", str(batch), "--product", "wireless", "--listen", "0")
    assert ended.code == 1
    assert outcomes(batch) == {"failed"}
    assert "12 settled elsewhere (TransitionFailed)" in ended.err
    assert f"asyncsim jobs retry-failed {batch.with_suffix('.db')}" in ended.err


async def test_a_timeout_ends_with_3_and_says_how_to_continue(
    cli: Cli, emulator: Emulator, batch: Path
) -> None:
    emulator.latency = Latency(transition=1e6, longest=1e6)
    fill(batch, iccids(emulator))
    ended = await cli("activate", str(batch), "--timeout", "0.05")
    assert ended.code == 3
    assert outcomes(batch) == {"timed out"}
    assert ended.err.splitlines()[-1] == f"to resume: asyncsim activate {batch} --timeout 0.05"


async def test_a_second_run_resends_nothing(cli: Cli, emulator: Emulator, batch: Path) -> None:
    fill(batch, iccids(emulator))
    assert (await cli("activate", str(batch), "--listen", "0", "--limit", "5")).code == 3
    assert posts(emulator) == 5
    assert (await cli("activate", str(batch), "--listen", "0")).code == 0
    assert posts(emulator) == 12
    assert (await cli("activate", str(batch))).code == 0
    assert posts(emulator) == 12


async def test_a_dry_run_shows_the_plan_and_writes_nothing(
    cli: Cli, emulator: Emulator, batch: Path
) -> None:
    fill(batch, [*iccids(emulator), "8988000000000000002"])
    ended = await cli("activate", str(batch), "--dry-run")
    assert ended.code == 1  # one of them could not be activated
    assert "will change  12" in ended.out
    assert f"line 2: {iccids(emulator)[0]} (new)" in ended.out
    assert "unknown SIM   1  line 14: 8988000000000000002" in ended.out
    assert posts(emulator) == 0
    assert list(batch.parent.iterdir()) == [batch]


async def test_an_irreversible_change_requires_the_exact_count(
    cli: Cli, emulator: Emulator, batch: Path
) -> None:
    fill(batch, iccids(emulator, "wireless"))
    for extra in ((), ("--confirm-count", "11")):
        ended = await cli("activate", str(batch), *DEACTIVATE, *extra)
        assert ended.code == 5
        assert "12 SIMs" in ended.err
        assert ended.err.endswith("--confirm-count 12\n")
    assert posts(emulator) == 0
    confirmed = (*DEACTIVATE, "--confirm-count", "12", "--listen", "0")
    assert (await cli("activate", str(batch), *confirmed)).code == 0
    assert statuses(emulator, "wireless") == {"deactivated"}


async def test_a_journal_of_another_job_is_rejected(
    cli: Cli, emulator: Emulator, batch: Path
) -> None:
    fill(batch, iccids(emulator))
    await cli("activate", str(batch), "--listen", "0")
    ended = await cli("activate", str(batch), "--status", "inactive")
    assert ended.code == 2
    assert "status" in ended.err
    assert posts(emulator) == 12
    other = str(batch.with_name("second.db"))
    ended = await cli("activate", str(batch), *("--status", "inactive", "--journal", other))
    assert ended.code == 0
    assert (batch.with_name("second-results") / "results.csv").exists()


@pytest.mark.parametrize("option", ["--results", "--journal"])
async def test_results_and_journal_go_to_the_given_paths(
    option: str, cli: Cli, emulator: Emulator, batch: Path, tmp_path: Path
) -> None:
    fill(batch, iccids(emulator))
    place = tmp_path / "elsewhere"
    await cli("activate", str(batch), "--listen", "0", option, str(place))
    assert place.is_dir() == (option == "--results")
    assert place.is_file() == (option == "--journal")


async def test_unwritable_results_are_reported_separately_from_the_sims(
    cli: Cli, emulator: Emulator, batch: Path
) -> None:
    fill(batch, iccids(emulator))
    ended = await cli("activate", str(batch), "--listen", "0", "--results", str(batch / "in"))
    assert ended.code == 1
    assert "12, all at their target" in ended.err
    assert "results cannot be written" in ended.err
    assert (await cli("jobs", "report", str(batch.with_suffix(".db")))).code == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--listen", "80a0"), "HOST:PORT"),
        (("--public-url", "https://example.com"), "--listen"),
        (("--listen", "0", "--public-url", "example.com"), "public_url"),
    ],
)
async def test_an_invalid_listener_is_rejected(
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
    fill(batch, ["8988000000000000002"])
    ended = await cli("activate", str(batch), "--listen", "8080")
    assert ended.code == 2
    assert "--public-url" in ended.err


async def test_quiet_prints_nothing_on_success(cli: Cli, emulator: Emulator, batch: Path) -> None:
    fill(batch, iccids(emulator))
    ended = await cli("activate", str(batch), "--listen", "0", "--quiet")
    assert (ended.code, ended.out, ended.err) == (0, "", "")


def events(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


async def test_events_are_json_lines_and_the_last_is_the_report(
    cli: Cli, emulator: Emulator, batch: Path
) -> None:
    fill(batch, iccids(emulator))
    ended = await cli("activate", str(batch), "--listen", "0", "--json", "--quiet")
    reported = events(ended.out)
    moved = [event["state"] for event in reported if event["event"] == "RowMoved"]
    assert moved.count("sending") == moved.count("accepted") == moved.count("done") == 12
    assert {"JobProgressed", "JobPlanned", "RequestFinished", "JobEnded"} <= {
        event["event"] for event in reported
    }
    assert (reported[-1]["event"], reported[-1]["ok"]) == ("Report", True)
    assert ended.err == ""


@pytest.mark.parametrize("options", [(), ("--quiet",)], ids=["default", "quiet"])
async def test_a_finished_job_says_that_nothing_was_resent(
    cli: Cli, emulator: Emulator, batch: Path, options: tuple[str, ...]
) -> None:
    fill(batch, iccids(emulator))
    assert (await cli("activate", str(batch))).code == 0
    sent = posts(emulator)
    ended = await cli("activate", str(batch), *options)
    assert ended.code == 0
    assert "nothing was read and nothing was sent" in ended.err
    assert "--journal" in ended.err
    assert posts(emulator) == sent


async def test_results_never_replace_the_input(cli: Cli, emulator: Emulator, batch: Path) -> None:
    failed = batch.with_name("failed.csv")
    fill(failed, iccids(emulator))
    before = content(failed)
    ended = await cli("activate", str(failed), "--results", str(failed.parent), "--limit", "2")
    assert (ended.code, content(failed)) == (2, before)
    assert "the job's own input" in ended.err
    assert not emulator.requests
    journal = str(failed.with_suffix(".db"))
    assert (await cli("activate", str(failed), "--limit", "2", "--listen", "0")).code == 3
    ended = await cli("jobs", "resume", journal, "--results", str(failed.parent))
    assert (ended.code, content(failed)) == (2, before)


def content(path: Path) -> bytes:
    return path.read_bytes()


async def test_a_rejected_file_leaves_nothing_behind(
    cli: Cli, emulator: Emulator, batch: Path, tmp_path: Path
) -> None:
    fill(batch, ["nonsense"])
    ended = await cli("activate", str(batch))
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert sorted(one.name for one in batch.parent.iterdir()) == [batch.name]


async def test_a_dry_run_describes_the_planned_changes(
    cli: Cli, emulator: Emulator, batch: Path
) -> None:
    lines = [f"{iccid},fleet-{number}" for number, iccid in enumerate(iccids(emulator))]
    batch.write_text("\n".join(["iccid,unique_name", *lines]))  # noqa: ASYNC240
    ended = await cli(
        *("bulk", "change", str(batch), "--status", "active", "--columns", "unique_name"),
        "--dry-run",
    )
    assert "update status=active, unique_name as batch.csv says for batch.csv" in ended.out
    account = emulator.credentials.account_sid
    assert f"twilio, Super SIM, {account}" in ended.out

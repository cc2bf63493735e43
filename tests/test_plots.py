"""The data of plots; `tests/notebooks` draws them."""

from __future__ import annotations

import sys

import pytest

from asyncsim import Outcome, plots
from asyncsim.bulk.records import State
from asyncsim.events import (
    Event,
    RequestFinished,
    RowMoved,
    SettledBy,
    SweepFinished,
    WaitSettled,
    WaitStarted,
)
from asyncsim.observers import Recorder
from tests.displays.works import Stopwatch


def recorded(*events: tuple[float, Event]) -> Recorder:
    stopwatch = Stopwatch()
    recorder = Recorder(now=stopwatch)
    for moment, event in events:
        stopwatch.time = 100.0 + moment
        recorder(event)
    return recorder


def moved(row: int, state: str) -> RowMoved:
    return RowMoved(row=row, name=f"sim {row}", sid=None, state=state)


def settled(
    by: SettledBy | None, seconds: float, wait: int = 0, error: str | None = None
) -> WaitSettled:
    return WaitSettled(
        product="supersim", name="HS1", settled_by=by, seconds=seconds, requests=1,
        error=error, wait=wait,
    )  # fmt: skip


def started(wait: int) -> WaitStarted:
    return WaitStarted(vendor="twilio", product="supersim", resource="sims", name="HS1", wait=wait)


def responded(status: int, limit: float, in_flight: int) -> RequestFinished:
    return RequestFinished(
        method="POST", product="supersim", path="/v1/Sims/HS1", status=status, seconds=0.1,
        attempt=1, limit=limit, in_flight=in_flight,
    )  # fmt: skip


def at(data: plots.Rows, seconds: float) -> dict[str, int]:
    """The states at the last moment that is not after these seconds."""
    moment = max(row["seconds"] for row in data if row["seconds"] <= seconds)
    return {row["state"]: row["sims"] for row in data if row["seconds"] == moment and row["sims"]}


def test_the_timeline_of_a_job_counts_its_rows_by_state() -> None:
    data = plots.timeline_data(
        recorded(
            (1.0, moved(1, "sending")),
            (2.0, moved(2, "sending")),
            (3.0, moved(1, "accepted")),
            (8.0, moved(1, "done")),
            (9.0, moved(2, "ready")),
            (10.0, moved(2, "failed")),
        )
    )
    assert at(data, 1.5) == {"sending": 1, "waiting to be sent": 1}
    assert at(data, 5.0) == {"sending": 1, "accepted": 1}
    assert at(data, 9.5) == {"waiting to be sent": 1, "done": 1}
    assert at(data, 10.0) == {"done": 1, "failed": 1}
    assert {sum(at(data, row["seconds"]).values()) for row in data} == {2}


def test_every_state_of_a_job_has_its_colour() -> None:
    assert set(State) - set(plots._STATES) == {State.READ, State.READY}


def test_without_a_job_the_timeline_counts_waits() -> None:
    data = plots.timeline_data(
        recorded(
            (1.0, started(7)),
            (2.0, started(8)),
            (5.0, settled("read", 4.0, wait=7)),
            (6.0, started(7)),  # another wait, at the address of the first
            (9.0, settled(None, 7.0, wait=8, error="TransitionTimeout")),
        )
    )
    assert at(data, 3.0) == {"waiting to be sent": 1, "accepted": 2}
    assert at(data, 9.0) == {"accepted": 1, "done": 1, "failed": 1}


def test_a_timeline_stays_small_however_much_happened() -> None:
    events = [(row / 100, moved(row, "done")) for row in range(20_000)]
    assert len(plots.timeline_data(recorded(*events))) < 1000


def test_settling_counts_sims_by_how_they_were_noticed_and_by_sweep() -> None:
    sweep = SweepFinished(product="supersim", pages=1, rows=2, settled=2, walk=False)
    recorder = recorded(
        (1.0, settled("callback", 1.0)),
        (2.0, settled("sweep", 3.0)),
        (2.0, settled("sweep", 2.0)),
        (2.1, sweep),
        (9.0, settled("sweep", 9.0)),
        (9.1, settled(None, 9.0, error="TransitionTimeout")),
    )
    rows = [tuple(row.values()) for row in plots.settling_data(recorder)]
    assert rows == [
        ("", "a callback", 1.0, 1, 0),
        ("", "a sweep", 2.0, 1, 1),
        ("", "a sweep", 3.0, 2, 1),
        ("", "a sweep", 9.0, 3, 2),
    ]


def test_settling_takes_outcomes_rows_of_a_report_and_groups_of_them() -> None:
    outcome: Outcome[object] = Outcome(
        sid="HS1", requested={}, sim=None, error=None, settled_by="read", seconds=2.0
    )
    failed: Outcome[object] = Outcome(
        sid="HS2", requested={}, sim=None, error=ValueError("no"), seconds=1.0
    )
    row: dict[str, object] = {"state": "done", "settled_by": "callback", "seconds": 4.0}
    open_row: dict[str, object] = {"state": "accepted", "settled_by": None, "seconds": None}
    data = plots.settling_data({"now": [outcome, failed], "then": [row, open_row]})
    assert [tuple(one.values()) for one in data] == [
        ("now", "a read", 2.0, 1, 0),
        ("then", "a callback", 4.0, 1, 0),
    ]


def test_settling_keeps_a_few_hundred_points_of_each_line_and_its_ends() -> None:
    events = [(float(n), settled("callback", float(n))) for n in range(1, 10_001)]
    data = plots.settling_data(recorded(*events))
    assert len(data) <= 402
    assert (data[0]["settled"], data[-1]["settled"]) == (1, 10_000)


def test_the_limit_is_summed_up_over_short_spans() -> None:
    recorder = recorded(
        (0.0, responded(200, 10.0, 3)),
        (0.01, responded(429, 9.5, 9)),
        (0.02, responded(200, 9.6, 5)),
        (100.0, responded(200, 30.0, 0)),
    )
    assert plots.limit_data(recorder) == [
        {"seconds": 0.0, "limit": 9.6, "in_flight": 9, "responses": 3, "throttled": 1},
        {"seconds": 100.0, "limit": 30.0, "in_flight": 0, "responses": 1, "throttled": 0},
    ]


def test_an_empty_recording_has_no_data() -> None:
    assert plots.timeline_data(Recorder()) == []
    assert plots.settling_data(Recorder()) == []
    assert plots.limit_data(Recorder()) == []


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "altair", None)
    with pytest.raises(ModuleNotFoundError, match=r'pip install "asyncsim\[plots\]"'):
        plots.timeline(Recorder())

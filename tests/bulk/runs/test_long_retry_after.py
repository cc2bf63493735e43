"""A long Retry-After ends the run, with its rows unchanged and resumable."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from asyncsim.bulk.records import State
from asyncsim.cli.exits import Exit
from asyncsim.cli.reports import report_exit_code
from asyncsim.emulator.app import RequestHandler
from asyncsim.emulator.context import VendorResponse
from tests.bulk.runs.conftest import OpenEnv

LONG = {"Retry-After": "86400"}


def busy(
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    *,
    method: str,
    after: int = 0,
    headers: Mapping[str, str] = LONG,
    then: Callable[[], object] = int,
) -> None:
    """Make the vendor reject requests of one method, after the first few."""
    process, seen = RequestHandler.process, [0]

    def reject(self: RequestHandler, call: Any) -> VendorResponse:
        seen[0] += call.method == method
        if call.method == method and seen[0] > after:
            then()
            body = {"code": None, "message": "come back tomorrow"}
            return VendorResponse(status, body, headers=headers)
        return process(self, call)

    monkeypatch.setattr(RequestHandler, "process", reject)


@pytest.mark.parametrize("status", [429, 503])
async def test_the_run_ends_resumable_with_its_rows_unchanged(
    open_env: OpenEnv, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    env = await open_env(sims=40)
    began = env.harness.clock.now()
    busy(monkeypatch, status, method="POST")
    report = await env.run(env.job())
    assert report.stopped == "retry after 86,400 s"
    assert report_exit_code(report) is Exit.PENDING
    assert report.states.keys() <= {State.READY, State.SENDING}
    assert report.states.get(State.SENDING, 0) == 0 or status == 503
    assert env.harness.clock.now() - began < 60.0
    monkeypatch.undo()
    assert (await env.run(env.job())).states == {State.DONE: 40}
    assert set(env.posts().values()) <= {1, 2}  # one rejected, one accepted


async def test_retries_that_were_not_sent_are_left_to_the_next_run(
    open_env: OpenEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = await open_env(sims=40)
    busy(monkeypatch, 400, method="POST", headers={})
    assert (await env.run(env.job(), breaker=None)).states == {State.FAILED: 40}
    monkeypatch.undo()
    busy(monkeypatch, 429, method="POST")
    report = await env.run(env.job(), retry_failed=True)
    assert report.stopped == "retry after 86,400 s"
    assert report.states == {State.FAILED: 40}
    monkeypatch.undo()
    assert (await env.run(env.job())).states == {State.DONE: 40}


async def test_rows_accepted_before_are_awaited_by_the_next_run(
    open_env: OpenEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = await open_env(sims=40)
    busy(monkeypatch, 429, method="POST", after=10)
    report = await env.run(env.job())
    assert report.stopped == "retry after 86,400 s"
    assert report.states[State.READY] == 30
    monkeypatch.undo()
    assert (await env.run(env.job())).states == {State.DONE: 40}
    assert sorted(env.posts().values())[:10] == [1] * 10  # accepted rows are not resent


async def test_a_long_retry_after_during_planning_ends_the_run_too(
    open_env: OpenEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = await open_env(sims=4)
    began = env.harness.clock.now()
    busy(monkeypatch, 503, method="GET")
    report = await env.run(env.job())
    assert report.stopped == "retry after 86,400 s"
    assert report.states == {State.READ: 4}
    assert env.harness.clock.now() - began < 60.0


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("rows", [4, 40])
async def test_a_deadline_is_kept_during_a_retry_after(
    open_env: OpenEnv, monkeypatch: pytest.MonkeyPatch, status: int, rows: int
) -> None:
    env = await open_env(sims=rows)
    began = env.harness.clock.now()
    busy(monkeypatch, status, method="GET", headers={"Retry-After": "200"})
    report = await env.run(env.job(), deadline=5.0)
    assert report.stopped == "deadline"
    assert report.states == {State.READ: rows}
    assert env.harness.clock.now() - began < 6.0
    monkeypatch.undo()
    assert (await env.run(env.job())).states == {State.DONE: rows}


async def test_a_stop_does_not_wait_for_a_retry_after(
    open_env: OpenEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = await open_env(sims=40)
    began, stop = env.harness.clock.now(), asyncio.Event()
    busy(monkeypatch, 429, method="GET", headers={"Retry-After": "200"}, then=stop.set)
    assert (await env.run(env.job(), stop=stop)).stopped == "drained"
    assert env.harness.clock.now() - began < 60.0


async def test_a_text_that_may_have_been_sent_is_unknown_and_no_other_is_sent(
    open_env: OpenEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = await open_env(sims=200)
    for sid in env.harness.sids:
        env.harness.put(sid, status="active")
    busy(monkeypatch, 503, method="POST")
    report = await env.run(env.job(change={"payload": "wake up"}, action="send"))
    assert report.stopped == "retry after 86,400 s"
    unknown = report.states[State.UNKNOWN]
    assert 1 <= unknown <= 64
    assert report.states[State.READY] == 200 - unknown

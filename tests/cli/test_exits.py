from __future__ import annotations

import pytest

from asyncsim import (
    AuthenticationError,
    BadRequest,
    JobError,
    JournalError,
    NotConfirmed,
    QueueTimeout,
)
from asyncsim.bulk import Report, State
from asyncsim.bulk.records import Head, Statistics
from asyncsim.cli import main
from asyncsim.cli.exits import exit_code
from asyncsim.cli.reports import report_exit_code

HEAD = Head(product="supersim", action="update", change={}, vendor="twilio", account="", label="")


def report(states: dict[State, int], stopped: str | None) -> Report:
    counted = Statistics(
        rows=sum(states.values()),
        states=states,
        failures={},
        impossible={},
        settled_by={},
        confirmed=0,
        unconfirmed=0,
        p50=None,
        p95=None,
        p99=None,
        slowest=None,
        requests=0,
        requests_done=0,
    )
    return Report(
        head=HEAD,
        journal="job.db",
        columns=(),
        statistics=counted,
        shortfalls=(),
        errors=(),
        stopped=stopped,
    )


@pytest.mark.parametrize(
    ("states", "stopped", "code"),
    [
        ({State.DONE: 2, State.ALREADY: 1}, None, 0),
        ({State.DONE: 2, State.FAILED: 1}, None, 1),
        ({State.DONE: 2, State.IMPOSSIBLE: 1}, None, 1),
        ({State.DONE: 2, State.UNKNOWN: 1}, None, 1),
        ({State.DONE: 2, State.TIMED_OUT: 1}, None, 3),
        ({State.DONE: 2, State.NO_ANSWER: 1}, None, 3),
        ({State.FAILED: 1, State.TIMED_OUT: 1}, None, 1),
        ({State.DONE: 2, State.READY: 1}, "drained", 3),
        ({State.FAILED: 2, State.READY: 1}, "drained", 3),
        ({State.FAILED: 2, State.READY: 1}, "deadline", 3),
        ({State.FAILED: 2, State.READY: 1}, "limit", 3),
        ({State.FAILED: 2, State.READY: 1}, "max_failures", 1),
        ({State.DONE: 2}, "drained", 0),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else str(value),
)
def test_the_exit_code_says_what_a_script_should_do_next(
    states: dict[State, int], stopped: str | None, code: int
) -> None:
    assert report_exit_code(report(states, stopped)) == code


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (AuthenticationError(401), 4),
        (NotConfirmed("this deletes SIMs", 3, None), 5),
        (JobError("no SIM"), 2),
        (JournalError("not a journal"), 2),
        (QueueTimeout("update HS1", 600), 3),
        (BadRequest(400), 1),
        (OSError("no such file"), 2),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_error_has_its_exit_code(error: Exception, code: int) -> None:
    assert exit_code(error) == code


def test_ctrl_c_while_modules_are_imported_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("asyncsim.cli.app.start", interrupted)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 130
    assert capsys.readouterr().err == "asyncsim: cancelled\n"

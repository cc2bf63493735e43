"""The command that resumes a job, as shown to the user."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from asyncsim.cli import resume


def started_as(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [path])
    resume.remember(["activate", "my batch.csv", "--status", "ready"])


@pytest.mark.parametrize("path", ["asyncsim", "/nowhere/else"])
def test_it_is_quoted_for_a_shell(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    started_as(path, monkeypatch)
    assert resume.resume_command() == "asyncsim activate 'my batch.csv' --status ready"


def test_a_module_is_run_with_m(monkeypatch: pytest.MonkeyPatch) -> None:
    started_as("/lib/asyncsim/cli/__main__.py", monkeypatch)
    assert resume.resume_command().startswith(f"{sys.executable} -m asyncsim.cli activate ")


def test_an_executable_that_is_not_the_one_on_the_path_is_shown_with_its_path(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "asyncsim").touch()
    started_as(str(tmp_path / "asyncsim"), monkeypatch)
    assert resume.resume_command().startswith(f"{tmp_path}/asyncsim activate ")


@pytest.mark.parametrize(
    "name",
    [
        "two\nlines.csv",
        "it's \x1b[31mred.csv",
        "Z\u00e4hler.csv",
        "back\\slash \u202e.csv",
        "$HOME;`ls`",
    ],
)
@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_any_file_name_is_one_line_that_a_shell_reads_back(
    name: str, encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["/nowhere/else"])
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(io.BytesIO(), encoding=encoding))
    resume.remember(["activate", name])
    command = resume.resume_command()
    assert command.encode(encoding)
    assert command.isprintable()
    said = subprocess.run(
        ["bash", "-c", command.replace("asyncsim activate", "printf %s", 1)],
        capture_output=True, check=True,
    )  # fmt: skip
    assert said.stdout == os.fsencode(name)


def test_on_windows_it_is_quoted_for_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    started_as("/nowhere/else", monkeypatch)
    monkeypatch.setattr(resume, "_WINDOWS", True)
    assert resume.resume_command() == 'asyncsim activate "my batch.csv" --status ready'


@pytest.mark.parametrize("options", [[], ["--profile", "work", "-v"]])
def test_a_retry_is_resumed_without_retrying_again_wherever_the_options_stand(
    options: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["asyncsim"])
    resume.remember([*options, "jobs", "retry-failed", "batch.db"])
    assert resume.resume_command() == " ".join(["asyncsim", *options, "jobs resume batch.db"])

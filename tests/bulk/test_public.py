"""Public names of `asyncsim.bulk`, and its error without the extra."""

from __future__ import annotations

import subprocess
import sys

import asyncsim
from asyncsim import bulk

NAMES = [
    "Action", "DriftedSim", "Job", "JobState", "Journal", "Plan", "Report", "SharedJob",
    "SharedJobs", "State", "Submission", "Verdict", "WrittenUndo", "find_drift", "migrate", "run",
    "submit", "work", "write_fix", "write_results", "write_undo",
]  # fmt: skip
WITHOUT = """
import sys
sys.modules["sqlalchemy"] = None  # as if it were not installed
try:
    import asyncsim.bulk
except ModuleNotFoundError as error:
    print(error)
"""


def test_the_public_names() -> None:
    assert sorted(bulk.__all__) == NAMES
    assert all(hasattr(bulk, name) for name in NAMES)
    assert asyncsim.JobError.__mro__[1:2] == (asyncsim.AsyncSimError,)


def test_a_missing_extra_raises_an_error_with_the_install_command() -> None:
    message = subprocess.run(
        [sys.executable, "-c", WITHOUT], capture_output=True, text=True, check=True
    )
    assert 'pip install "asyncsim[bulk]"' in message.stdout

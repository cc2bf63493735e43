"""Rules of readable source: unique names, bounded modules and functions, comments with reasons."""

from __future__ import annotations

import pytest

from tests import source_metrics

LONGEST_MODULE = 450  # beyond this a module usually has a second topic
LONGEST_FUNCTION = 60  # signature and docstring included

# Module names that several packages use, for the same role in each.
ROLES = {
    "app": "the application that a server, or a terminal, runs",
    "auth": "credentials: the client sends them, the emulator checks them",
    "bus": "the bus of callbacks: inside a process, and between processes",
    "bulk": "bulk jobs, and the command for them",
    "callbacks": "callbacks: received by the client, sent by the emulator",
    "common": "what files of several kinds share",
    "commands": "Commands of both products, and the command for them",
    "context": "what all code that serves one client, or one request, is given",
    "drift": "drift: found by a dry run, and the command for it",
    "errors": "errors of the client, and those that the emulator responds with",
    "jobs": "jobs of requests, and the command that manages the jobs of journals",
    "listen": "who listens: for callbacks on a terminal, for notifications of PostgreSQL",
    "pages": "pages of a list: read from JSON, and turned",
    "progress": "the progress of a job: its figures, and their display on stderr",
    "records": "records: decoded from JSON, and kept by a job",
    "run": "one run of a job",
    "settings": "settings: of the client, and of the emulator",
    "shared_jobs": "jobs of shared journals, and the commands for them",
    "submit": "submission of a job to workers, and the command for it",
    "worker": "a worker of shared jobs, and the command that runs one",
}


def test_no_module_is_too_long() -> None:
    long = {one.path: one.lines for one in source_metrics.modules() if one.lines > LONGEST_MODULE}
    assert long == {}, "split off its second topic"


def test_no_function_is_too_long() -> None:
    long = {
        f"{module.path}: {one.name}": one.lines
        for module in source_metrics.modules()
        for one in module.functions
        if one.lines > LONGEST_FUNCTION
    }
    assert long == {}


def test_class_names_are_unique() -> None:
    assert source_metrics.classes_used_twice() == {}


def test_a_module_name_in_two_packages_has_the_same_role() -> None:
    assert set(source_metrics.names_used_twice()) <= set(ROLES)


@pytest.mark.parametrize("package", source_metrics.COMMENTED)
def test_enough_comments_give_reasons(package: str) -> None:
    assert source_metrics.comment_share(package) >= 5.0, (
        "a rule needs its source, or the fault that it prevents"
    )

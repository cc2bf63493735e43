"""What keeps the source readable: names that mean one thing, modules and functions of a size."""

from __future__ import annotations

import pytest

from tests import house

LONGEST_MODULE = 450  # a module is as long as its one idea; past this there is usually a second one
LONGEST_FUNCTION = 60  # signature and docstring included

# The same word in two packages, for the same role in each.
ROLES = {
    "app": "the application that a server, or a terminal, runs",
    "auth": "credentials: the client sends them, the emulator checks them",
    "bulk": "bulk jobs, and the command for them",
    "callbacks": "callbacks: received by the client, sent by the emulator",
    "common": "what files of several kinds share",
    "context": "what all code that serves one client, or one request, is given",
    "errors": "errors of the client, and those that the emulator responds with",
    "jobs": "jobs of requests, and the command that manages the jobs of journals",
    "pages": "pages of a list: read from JSON, and turned",
    "records": "records: decoded from JSON, and kept by a job",
    "run": "one run of a job",
    "settings": "settings: of the client, and of the emulator",
}


def test_no_module_holds_more_than_one_idea() -> None:
    long = {one.path: one.lines for one in house.modules() if one.lines > LONGEST_MODULE}
    assert long == {}, "is there a second idea in it? then that is a module of its own"


def test_every_function_can_be_seen_whole() -> None:
    long = {
        f"{module.path}: {one.name}": one.lines
        for module in house.modules()
        for one in module.functions
        if one.lines > LONGEST_FUNCTION
    }
    assert long == {}


def test_a_class_name_means_one_class() -> None:
    assert house.classes_used_twice() == {}


def test_a_module_name_in_two_packages_has_the_same_role_in_both() -> None:
    assert set(house.names_used_twice()) <= set(ROLES)


@pytest.mark.parametrize("package", house.COMMENTED)
def test_comments_say_why(package: str) -> None:
    assert house.comment_share(package) >= 5.0, "a rule without its source or its fault is a riddle"

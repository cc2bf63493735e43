"""What keeps the source readable: names that mean one thing, modules and functions of a size."""

from __future__ import annotations

import pytest

from tests import house

LONGEST_MODULE = 450  # a module is as long as its one idea; past this there is usually a second one
LONGEST_FUNCTION = 60

# The same word in two packages, for the same role in each.
ROLES = {
    "app": "the application that a server or a terminal runs",
    "auth": "who may send: how the client logs in, how the emulator checks it",
    "columns": "columns of a table, of a CSV file or of the journal",
    "context": "what a request, or a client, is dealt with in",
    "dates": "dates on the wire",
    "deadlines": "what ends in time",
    "door": "",
    "errors": "errors of the client, and those that the emulator responds with",
    "files": "files of input",
    "jobs": "jobs: of a resource's requests, and of the command line",
    "moves": "",
    "names": "names of resources, resolved to SIDs",
    "pages": "pages of a list",
    "plans": "plans of a job: kept, and printed",
    "problems": "",
    "reception": "",
    "records": "records: what is decoded, what a job keeps",
    "rows": "",
    "run": "a job that runs",
    "settings": "settings",
    "store": "",
    "tasks": "",
}

TWICE = {
    *("Callback", "Change", "Credentials", "Deadlines", "Delivery", "Desk", "Door", "Draft"),
    *(
        "Entry",
        "Journal",
        "Kind",
        "Log",
        "Look",
        "Page",
        "Reception",
        "Refusal",
        "Reply",
        "Request",
    ),
    *(
        "Request",
        "Resource",
        "Row",
        "Run",
        "Server",
        "Session",
        "Standing",
        "State",
        "Store",
        "Verdict",
    ),
    *("Written", "_Table"),
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
    assert set(house.classes_used_twice()) <= TWICE


def test_a_module_name_in_two_packages_has_the_same_role_in_both() -> None:
    assert set(house.names_used_twice()) <= set(ROLES)


@pytest.mark.parametrize("package", house.COMMENTED)
def test_comments_say_why(package: str) -> None:
    assert house.comment_share(package) >= 2.0, "a rule without its source or its fault is a riddle"

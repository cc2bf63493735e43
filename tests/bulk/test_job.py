from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from asyncsim.bulk.actions import Action
from asyncsim.bulk.job import Job
from asyncsim.errors import JobError
from asyncsim.vendors import Product
from tests.bulk.input.reads import ACTIVE, ICCID, read, write


def test_a_job_has_its_action_product_and_change() -> None:
    job = Job.from_csv("some/batch-42.csv", product="supersim", change=ACTIVE)
    assert (job.action, job.product, job.change) == (Action.UPDATE, Product.SUPERSIM, ACTIVE)
    assert job.label == "batch-42.csv"
    assert Job.from_csv("-", product="supersim").label == "standard input"
    assert Job.from_rows([], product="supersim").label == "rows"


def test_a_job_copies_its_change() -> None:
    change = dict(ACTIVE)
    job = Job.from_rows([ICCID], product="supersim", change=change)
    change["status"] = "ready"
    assert job.change == ACTIVE


@pytest.mark.parametrize(
    ("expected", "words"),
    [
        ({"change": ACTIVE}, "status=active for SIMs of Super SIM"),
        ({}, "what batch.csv asks for SIMs of Super SIM"),
        ({"change": {"unique_name": None}}, "unique_name=(cleared) for SIMs of Super SIM"),
        (
            {"change": ACTIVE, "columns": ["fleet"]},
            "status=active, fleet=(its column) for SIMs of Super SIM",
        ),
        (
            {"action": "send", "change": {"payload": "reboot"}},
            "send payload=reboot to SIMs of Super SIM",
        ),
        ({"action": "send"}, "send the texts of batch.csv to SIMs of Super SIM"),
        (
            {"action": "register", "change": {"registration_code": "H3LL0W0RLD"}},
            "register SIMs of Super SIM",
        ),
        ({"action": "delete", "product": "wireless"}, "delete SIMs of Programmable Wireless"),
    ],
)
def test_a_job_describes_itself(expected: dict[str, Any], words: str) -> None:
    assert Job.from_csv("batch.csv", **{"product": "supersim", **expected}).describe() == words


def test_a_description_may_include_the_sim_count() -> None:
    job = Job.from_csv("b.csv", product="supersim", change=ACTIVE)
    assert job.describe(50_000) == "status=active for 50,000 SIMs of Super SIM"
    assert job.describe(1) == "status=active for 1 SIM of Super SIM"


@pytest.mark.parametrize(
    ("error", "expected", "message"),
    [
        (ValueError, {"product": "super-sim"}, "did you mean 'supersim'?"),
        (ValueError, {"product": "monitor"}, "one of supersim, wireless"),
        (ValueError, {"action": "updat"}, "did you mean 'update'?"),
        (ValueError, {"action": "delete"}, "for Programmable Wireless only, not Super SIM"),
        (ValueError, {"action": "register", "product": "wireless"}, "for Super SIM only"),
        (ValueError, {"change": {"status": "actve"}}, "did you mean 'active'?"),
        (TypeError, {"change": {"stats": "active"}}, "did you mean 'status'?"),
        (TypeError, {"change": {"stats": "x", "status": "y"}}, r"'stats'.*; status cannot be 'y'"),
        (TypeError, {"change": "active"}, "must be a mapping"),
        (TypeError, {"columns": "fleet"}, r"such as \['fleet'\]"),
        (ValueError, {"columns": ["flete"]}, "did you mean 'fleet'?"),
        (ValueError, {"columns": ["rate_plan"]}, "cannot apply a column 'rate_plan'"),
        (ValueError, {"columns": ["sid"]}, "cannot apply a column 'sid'"),
        (
            ValueError,
            {"action": "delete", "product": "wireless", "columns": ["x"]},
            "it takes no columns",
        ),
    ],
)
def test_an_invalid_job_is_rejected(
    error: type[Exception], expected: dict[str, Any], message: str
) -> None:
    with pytest.raises(error, match=message):
        Job.from_csv("x.csv", **{"product": "supersim", **expected})
    with pytest.raises(error, match=message):
        Job.from_rows([ICCID], **{"product": "supersim", **expected})


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (ICCID, "an iterable of rows"),
        (b"89", "an iterable of rows"),
        (7, "an iterable of rows"),
        ({"HS": ACTIVE}, r"not a mapping; pass \(\{'sid': sid"),
    ],
)
def test_an_argument_that_is_no_iterable_of_rows_is_rejected(rows: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        Job.from_rows(rows, product="supersim", change=ACTIVE)


async def test_a_file_and_a_list_can_be_read_again(path: Path) -> None:
    write(path, ICCID)
    jobs = [
        Job.from_csv(path, product="supersim", change=ACTIVE),
        Job.from_rows([ICCID], product="supersim", change=ACTIVE),
    ]
    for job in jobs:
        first, second = await read(job), await read(job)
        assert first.rows == second.rows
        assert first.reading.digest == second.reading.digest


async def test_an_iterator_can_be_read_only_once() -> None:
    job = Job.from_rows(iter([ICCID]), product="supersim", change=ACTIVE)
    assert len((await read(job)).rows) == 1
    with pytest.raises(JobError, match="consumed"):
        job.read()


def test_a_job_does_not_show_its_rows() -> None:
    assert ICCID not in repr(Job.from_rows([ICCID], product="supersim", change=ACTIVE))

from __future__ import annotations

from typing import Any

import pytest

from asyncsim.core.graph import can_reach, follows_by_itself, reaches_after
from asyncsim.kind import Kind
from asyncsim.models.monitor.events import EVENTS
from asyncsim.models.supersim.sims import SIMS as SUPER_SIMS
from asyncsim.models.wireless.sims import SIMS as WIRELESS_SIMS

PW, SS, MONITOR = WIRELESS_SIMS, SUPER_SIMS, EVENTS


@pytest.mark.parametrize(
    ("kind", "start", "targets", "answer"),
    [
        (PW, "ready", {"active"}, True),
        (PW, "deactivated", {"canceled"}, True),
        (PW, "deactivated", {"active", "canceled"}, True),
        (PW, "active", {"ready"}, False),
        (PW, "active", {"active"}, False),
        (PW, "new", {"active"}, False),
        (PW, "ready", set(), False),
        (SS, "ready", {"active"}, True),
        (SS, "deactivated", {"canceled"}, False),
        (SS, "active", {"inactive"}, False),
        (MONITOR, "ready", {"active"}, False),
    ],
)
def test_which_statuses_follow_by_themselves(
    kind: Kind[Any], start: str, targets: set[str], answer: bool
) -> None:
    assert follows_by_itself(kind, start, targets) is answer


@pytest.mark.parametrize(
    ("kind", "start", "targets", "answer"),
    [
        (PW, "new", {"active"}, True),
        (PW, "active", {"new"}, False),
        (PW, "suspended", {"new"}, False),
        (PW, "suspended", {"new", "active"}, True),
        (PW, "deactivated", {"active"}, True),  # not documented, so not ruled out
        (PW, "canceled", {"active"}, False),
        (PW, "canceled", {"canceled"}, True),
        (PW, "canceled", set(), True),
        (PW, "deleted", {"new"}, False),
        (SS, "active", {"ready"}, False),
        (SS, "inactive", {"ready"}, False),
        (SS, "inactive", {"active"}, True),
        (SS, "new", {"ready"}, True),
        (SS, "ready", {"new"}, False),
        (SS, "a status of tomorrow", {"active"}, True),
        (MONITOR, "any", {"other"}, True),
    ],
)
def test_only_what_the_documents_rule_out_is_out_of_reach(
    kind: Kind[Any], start: str, targets: set[str], answer: bool
) -> None:
    assert can_reach(kind, start, targets) is answer


@pytest.mark.parametrize(
    ("kind", "requested", "targets", "answer"),
    [
        (PW, "ready", {"active"}, True),
        (PW, "ready", {"ready"}, True),
        (PW, "deactivated", {"canceled"}, True),
        (PW, "active", {"canceled"}, False),
        (PW, "suspended", {"updating"}, True),
        (SS, "active", {"ready"}, False),
        (SS, "inactive", {"scheduled"}, True),
    ],
)
def test_what_a_request_can_end_in(
    kind: Kind[Any], requested: str, targets: set[str], answer: bool
) -> None:
    assert reaches_after(kind, requested, targets) is answer

"""The vendors' state process for SIMs, written down from their documents a second time.

It shares nothing with the client or the emulator: three versions of one text seldom have the same
mistake. What no document decides is `UNDECIDED` here, and either response is right.

Sources: Twilio docs and KORE docs, Sim resource of both products; "Understanding SIM Statuses";
error dictionary 33010, 33105, 83009, 83010.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any

PENDING = {
    "supersim": frozenset({"scheduled"}),
    "wireless": frozenset({"scheduled", "updating"}),
}
BUSY = {"supersim": frozenset({83009, 83010}), "wireless": frozenset({33010})}
"""Codes of a change that is rejected because another one is in flight."""
OWNED = {"supersim": ("fleet", "fleet_sid"), "wireless": ("rate_plan", "rate_plan_sid")}
"""What else a request may change: its keyword, and the property that shows it."""

_REQUESTABLE = {
    "supersim": frozenset({"ready", "active", "inactive"}),
    "wireless": frozenset({"ready", "active", "suspended", "deactivated"}),
}
_MAY = {
    "supersim": {
        "new": {"ready", "active"},
        "ready": {"active", "inactive"},
        "active": {"inactive"},
        "inactive": {"active"},
    },
    "wireless": {
        "new": {"ready", "active", "deactivated"},
        "ready": {"active", "suspended", "deactivated"},
        "active": {"suspended", "deactivated"},
        "suspended": {"active", "deactivated"},
    },
}
_UNDECIDED = {
    "supersim": {("new", "inactive")},
    "wireless": {("suspended", "ready"), ("deactivated", "active"), ("active", "ready")},
}
_BY_ITSELF = {
    "supersim": {("ready", "active")},
    "wireless": {("ready", "active"), ("deactivated", "canceled")},
}

State = Mapping[str, Any]
"""Of a SIM: `status`, and `fleet_sid` or `rate_plan_sid`."""


class Expected(enum.Enum):
    """The response that the documents require for a change."""

    BEGINS = "it begins"
    NOTHING = "nothing to do"
    AT_ONCE = "done at once"
    BUSY = "another one is in flight"
    REJECTED = "not allowed"
    UNDECIDED = "no document says"


def is_pending(product: str, state: State) -> bool:
    """Tell whether a change is being carried out."""
    return state.get("status") in PENDING[product]


def meets(product: str, state: State, wanted: Mapping[str, Any]) -> bool:
    """Tell whether a SIM has the wanted status and, if given, the Fleet or RatePlan by SID.

    A SIM that was to be `ready` and is `active` passed through `ready`: no read can tell.
    """
    keyword, owned = OWNED[product]
    status = wanted.get("status", state["status"])
    if status != state["status"] and (status, state["status"]) not in _BY_ITSELF[product]:
        return False
    if is_pending(product, state):
        return False
    return keyword not in wanted or bool(state[owned] == wanted[keyword])


def expected_response(product: str, state: State, wanted: Mapping[str, Any]) -> Expected:
    """The response to a request for `status`, and `fleet` or `rate_plan` by SID."""
    keyword, owned = OWNED[product]
    status = wanted.get("status")
    moved = keyword in wanted and wanted[keyword] != state[owned]
    if is_pending(product, state):
        return Expected.BUSY if status or keyword in wanted else Expected.NOTHING
    if status and status != state["status"]:
        if (state["status"], status) in _UNDECIDED[product]:
            return Expected.UNDECIDED
        allowed = _MAY[product].get(state["status"], set())
        if status not in _REQUESTABLE[product] or status not in allowed:
            return Expected.REJECTED
        return Expected.BEGINS
    if moved:
        if product == "wireless":
            return Expected.UNDECIDED  # no document says whether a plan alone is changed at once
        return Expected.BEGINS if state["status"] in ("ready", "active") else Expected.AT_ONCE
    return Expected.NOTHING


def response_matches(product: str, expected: Expected, status: int, body: Any) -> bool:
    """Tell whether a response is the expected one."""
    code = body.get("code") if isinstance(body, dict) else None
    if expected is Expected.UNDECIDED:
        return True
    if expected is Expected.BUSY:
        return code in BUSY[product]
    if expected is Expected.REJECTED:
        return 400 <= status < 500 and status != 429
    if not 200 <= status < 300 or not isinstance(body, dict):
        return False
    return is_pending(product, body) is (expected is Expected.BEGINS)


def is_valid_transition(
    product: str, before: State, after: State, origin: State, wanted: Mapping[str, Any] | None
) -> bool:
    """Tell whether a SIM may go from one state to the next.

    `origin` is its state before the change in flight began, `wanted` the target of that change.
    """
    if is_pending(product, before):
        if is_pending(product, after):
            return True
        failed = _same(product, after, origin)
        return failed or (wanted is not None and meets(product, after, wanted))
    if is_pending(product, after):
        return wanted is None or expected_response(product, before, wanted) in (
            Expected.BEGINS,
            Expected.UNDECIDED,
        )
    if before["status"] == after["status"]:
        return True
    return (before["status"], after["status"]) in _BY_ITSELF[product]


def _same(product: str, one: State, other: State) -> bool:
    owned = OWNED[product][1]
    return bool(one["status"] == other["status"] and one[owned] == other[owned])

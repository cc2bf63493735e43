"""The vendors' state machine for SIMs, written down from their documents a second time.

It shares nothing with the client or the emulator: three writings of one text seldom have the same
mistake. What no document decides is `UNDECIDED` here, and either is right.

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
"""Codes of a change that is refused because another one is running."""
OWNED = {"supersim": ("fleet", "fleet_sid"), "wireless": ("rate_plan", "rate_plan_sid")}
"""What else a request may change here: its keyword, and the property that shows it."""

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


class Says(enum.Enum):
    """What the vendor has to say to a change."""

    BEGINS = "it begins"
    NOTHING = "nothing to do"
    AT_ONCE = "done at once"
    BUSY = "another one is running"
    REFUSED = "not allowed"
    UNDECIDED = "no document says"


def is_pending(product: str, state: State) -> bool:
    """Tell whether a change is being carried out."""
    return state.get("status") in PENDING[product]


def meets(product: str, state: State, wanted: Mapping[str, Any]) -> bool:
    """Tell whether a SIM is what was wanted of it: a status, perhaps a Fleet or RatePlan by SID.

    What was to be `ready` and is `active` was `ready` on its way: nobody can tell by looking.
    """
    keyword, owned = OWNED[product]
    status = wanted.get("status", state["status"])
    if status != state["status"] and (status, state["status"]) not in _BY_ITSELF[product]:
        return False
    if is_pending(product, state):
        return False
    return keyword not in wanted or bool(state[owned] == wanted[keyword])


def says(product: str, state: State, wanted: Mapping[str, Any]) -> Says:
    """Say what becomes of a request for `status`, and `fleet` or `rate_plan` by SID."""
    keyword, owned = OWNED[product]
    status = wanted.get("status")
    moved = keyword in wanted and wanted[keyword] != state[owned]
    if is_pending(product, state):
        return Says.BUSY if status or keyword in wanted else Says.NOTHING
    if status and status != state["status"]:
        if (state["status"], status) in _UNDECIDED[product]:
            return Says.UNDECIDED
        allowed = _MAY[product].get(state["status"], set())
        if status not in _REQUESTABLE[product] or status not in allowed:
            return Says.REFUSED
        return Says.BEGINS
    if moved:
        if product == "wireless":
            return Says.UNDECIDED  # whether a plan alone is changed at once, nobody says
        return Says.BEGINS if state["status"] in ("ready", "active") else Says.AT_ONCE
    return Says.NOTHING


def fits(product: str, said: Says, status: int, body: Any) -> bool:
    """Tell whether a response is one that these words can have."""
    code = body.get("code") if isinstance(body, dict) else None
    if said is Says.UNDECIDED:
        return True
    if said is Says.BUSY:
        return code in BUSY[product]
    if said is Says.REFUSED:
        return 400 <= status < 500 and status != 429
    if not 200 <= status < 300 or not isinstance(body, dict):
        return False
    return is_pending(product, body) is (said is Says.BEGINS)


def may_follow(
    product: str, before: State, after: State, origin: State, wanted: Mapping[str, Any] | None
) -> bool:
    """Tell whether a SIM may go from one state to the next.

    `origin` is where it was when the change began that is running, and `wanted` what that is.
    """
    if is_pending(product, before):
        if is_pending(product, after):
            return True
        failed = _same(product, after, origin)
        return failed or (wanted is not None and meets(product, after, wanted))
    if is_pending(product, after):
        return wanted is None or says(product, before, wanted) in (Says.BEGINS, Says.UNDECIDED)
    if before["status"] == after["status"]:
        return True
    return (before["status"], after["status"]) in _BY_ITSELF[product]


def _same(product: str, one: State, other: State) -> bool:
    owned = OWNED[product][1]
    return bool(one["status"] == other["status"] and one[owned] == other[owned])

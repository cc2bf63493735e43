"""Networks that Super SIMs can connect to. Sources: both supersim_v1 documents."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from asyncsim.emulator.context import Filter, RequestContext, StoredResource
from asyncsim.emulator.lists import equal
from asyncsim.models.supersim.networks import NETWORKS


def _has_code(name: str) -> Filter:
    """One of the network's identifiers must have this code."""

    def check(ctx: RequestContext, value: str) -> tuple[str, Callable[[Any], bool]]:
        return "identifiers", lambda found: any(getattr(one, name) == value for one in found or ())

    return check


RESOURCE = StoredResource(
    kind=NETWORKS,
    filters={"iso_country": equal("iso_country"), "mcc": _has_code("mcc"), "mnc": _has_code("mnc")},
)

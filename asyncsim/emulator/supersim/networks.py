"""Networks that Super SIMs can connect to. Sources: both supersim_v1 documents."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from asyncsim.emulator.context import Desk, Filter, Resource
from asyncsim.emulator.filters import equal
from asyncsim.models.supersim.networks import NETWORKS


def _code(name: str) -> Filter:
    """One of the network's identifiers must have this code."""

    def check(desk: Desk, value: str) -> tuple[str, Callable[[Any], bool]]:
        return "identifiers", lambda found: any(getattr(one, name) == value for one in found or ())

    return check


RESOURCE = Resource(
    kind=NETWORKS,
    filters={"iso_country": equal("iso_country"), "mcc": _code("mcc"), "mnc": _code("mnc")},
)

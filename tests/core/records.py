"""Builders for Sims and goals in the tests of `core`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from asyncsim.core.goal import Goal
from asyncsim.models.supersim.sims import SIMS as SUPERSIM_SIMS, Sim as SuperSim
from asyncsim.models.wireless.sims import SIMS as WIRELESS_SIMS, Sim as WirelessSim

HS = "HS" + "1" * 32
DE = "DE" + "1" * 32
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    """A vendor timestamp, in seconds after noon."""
    return NOON + timedelta(seconds=seconds)


def supersim(status: str | None, date: float | None = 0.0, **more: Any) -> SuperSim:
    """A Super SIM in this status, last updated `date` seconds after noon."""
    return SuperSim(sid=HS, status=status, date_updated=None if date is None else at(date), **more)


def wireless(status: str | None, date: float | None = 0.0, **more: Any) -> WirelessSim:
    """A Programmable Wireless SIM in this status, last updated `date` seconds after noon."""
    return WirelessSim(
        sid=DE, status=status, date_updated=None if date is None else at(date), **more
    )


def supersim_goal(*until: str, **requested: Any) -> Goal:
    """The goal of a Super SIM update."""
    return Goal(SUPERSIM_SIMS, requested, frozenset(until) or None)


def wireless_goal(*until: str, **requested: Any) -> Goal:
    """The goal of a Programmable Wireless SIM update."""
    return Goal(WIRELESS_SIMS, requested, frozenset(until) or None)

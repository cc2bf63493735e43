"""The dispatch of a shared journal, by name."""

from __future__ import annotations

from asyncsim.bulk.dispatch_protocol import Dispatch
from asyncsim.clock import SYSTEM_CLOCK, Clock


def make_dispatch(name: str, url: str, clock: Clock = SYSTEM_CLOCK) -> Dispatch:
    """Return the dispatch of this name, `procrastinate` or `table`, for a shared journal."""
    if name == "table":
        from asyncsim.bulk.dispatch_table import TableDispatch

        return TableDispatch(url, clock)
    if name == "procrastinate":
        from asyncsim.bulk.dispatch_procrastinate import ProcrastinateDispatch

        return ProcrastinateDispatch(url, clock)
    raise ValueError(f"dispatch={name!r}: it is one of procrastinate, table")

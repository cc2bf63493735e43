"""Programmable Wireless."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from asyncsim.context import ClientContext

if TYPE_CHECKING:
    from asyncsim.resources.wireless.account_usage_records import AccountUsageRecords
    from asyncsim.resources.wireless.commands import Commands
    from asyncsim.resources.wireless.data_sessions import DataSessions
    from asyncsim.resources.wireless.rate_plans import RatePlans
    from asyncsim.resources.wireless.sims import Sims
    from asyncsim.resources.wireless.usage_records import UsageRecords


class Wireless:
    """`client.wireless`."""

    # Each is imported when it is used: all of them took 50 times as long as a request over bare
    # aiohttp, at the first request (benchmarks/cases/startup.py), and most programs use one.

    def __init__(self, context: ClientContext) -> None:
        self._context = context

    @cached_property
    def sims(self) -> Sims:
        """Programmable Wireless SIMs."""
        from asyncsim.resources.wireless.sims import Sims

        return Sims(self._context)

    @cached_property
    def rate_plans(self) -> RatePlans:
        """What SIMs may do, and what it costs."""
        from asyncsim.resources.wireless.rate_plans import RatePlans

        return RatePlans(self._context)

    @cached_property
    def commands(self) -> Commands:
        """SMS to and from SIMs."""
        from asyncsim.resources.wireless.commands import Commands

        return Commands(self._context)

    @cached_property
    def data_sessions(self) -> DataSessions:
        """Data sessions of a SIM."""
        from asyncsim.resources.wireless.data_sessions import DataSessions

        return DataSessions(self._context)

    @cached_property
    def usage_records(self) -> UsageRecords:
        """What a SIM has used."""
        from asyncsim.resources.wireless.usage_records import UsageRecords

        return UsageRecords(self._context)

    @cached_property
    def account_usage_records(self) -> AccountUsageRecords:
        """What all SIMs of the account have used."""
        from asyncsim.resources.wireless.account_usage_records import AccountUsageRecords

        return AccountUsageRecords(self._context)

"""Programmable Wireless."""

from __future__ import annotations

from asyncsim.connection import Connection
from asyncsim.resources.wireless.account_usage_records import AccountUsageRecords
from asyncsim.resources.wireless.commands import Commands
from asyncsim.resources.wireless.data_sessions import DataSessions
from asyncsim.resources.wireless.rate_plans import RatePlans
from asyncsim.resources.wireless.sims import Sims
from asyncsim.resources.wireless.usage_records import UsageRecords


class Wireless:
    """`client.wireless`."""

    def __init__(self, connection: Connection) -> None:
        self.sims = Sims(connection)
        self.rate_plans = RatePlans(connection)
        self.commands = Commands(connection)
        self.data_sessions = DataSessions(connection)
        self.usage_records = UsageRecords(connection)
        self.account_usage_records = AccountUsageRecords(connection)

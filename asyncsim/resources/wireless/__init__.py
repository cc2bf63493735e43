"""Programmable Wireless."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asyncsim.resources.namespace import Namespace

if TYPE_CHECKING:
    from asyncsim.resources.wireless.account_usage_records import AccountUsageRecords
    from asyncsim.resources.wireless.commands import Commands
    from asyncsim.resources.wireless.data_sessions import DataSessions
    from asyncsim.resources.wireless.rate_plans import RatePlans
    from asyncsim.resources.wireless.sims import Sims
    from asyncsim.resources.wireless.usage_records import UsageRecords


class Wireless(Namespace):
    """`client.wireless`."""

    sims: Sims
    """Programmable Wireless SIMs."""
    rate_plans: RatePlans
    """Rate plans: permissions and limits of SIMs."""
    commands: Commands
    """SMS to and from SIMs."""
    data_sessions: DataSessions
    """Data sessions of a SIM."""
    usage_records: UsageRecords
    """Usage of a SIM."""
    account_usage_records: AccountUsageRecords
    """Usage of the account."""

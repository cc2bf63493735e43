"""Super SIM."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from asyncsim.context import ClientContext

if TYPE_CHECKING:
    from asyncsim.resources.supersim.billing_periods import BillingPeriods
    from asyncsim.resources.supersim.esim_profiles import ESimProfiles
    from asyncsim.resources.supersim.fleets import Fleets
    from asyncsim.resources.supersim.ip_addresses import IpAddresses
    from asyncsim.resources.supersim.ip_commands import IpCommands
    from asyncsim.resources.supersim.network_access_profile_networks import (
        NetworkAccessProfileNetworks,
    )
    from asyncsim.resources.supersim.network_access_profiles import NetworkAccessProfiles
    from asyncsim.resources.supersim.networks import Networks
    from asyncsim.resources.supersim.settings_updates import SettingsUpdates
    from asyncsim.resources.supersim.sims import Sims
    from asyncsim.resources.supersim.sms_commands import SmsCommands
    from asyncsim.resources.supersim.usage_records import UsageRecords


class SuperSim:
    """`client.supersim`."""

    # Each is imported when it is used: all of them took 50 times as long as a request over bare
    # aiohttp, at the first request (benchmarks/cases/startup.py), and most programs use one.

    def __init__(self, context: ClientContext) -> None:
        self._context = context

    @cached_property
    def sims(self) -> Sims:
        """Super SIMs."""
        from asyncsim.resources.supersim.sims import Sims

        return Sims(self._context)

    @cached_property
    def billing_periods(self) -> BillingPeriods:
        """What a SIM was billed, period by period."""
        from asyncsim.resources.supersim.billing_periods import BillingPeriods

        return BillingPeriods(self._context)

    @cached_property
    def ip_addresses(self) -> IpAddresses:
        """IP addresses of a SIM."""
        from asyncsim.resources.supersim.ip_addresses import IpAddresses

        return IpAddresses(self._context)

    @cached_property
    def fleets(self) -> Fleets:
        """Fleets: the settings which SIMs share."""
        from asyncsim.resources.supersim.fleets import Fleets

        return Fleets(self._context)

    @cached_property
    def network_access_profiles(self) -> NetworkAccessProfiles:
        """Lists of networks that a Fleet may use."""
        from asyncsim.resources.supersim.network_access_profiles import NetworkAccessProfiles

        return NetworkAccessProfiles(self._context)

    @cached_property
    def network_access_profile_networks(self) -> NetworkAccessProfileNetworks:
        """The networks of such a list."""
        from asyncsim.resources.supersim.network_access_profile_networks import (
            NetworkAccessProfileNetworks,
        )

        return NetworkAccessProfileNetworks(self._context)

    @cached_property
    def networks(self) -> Networks:
        """Cellular networks."""
        from asyncsim.resources.supersim.networks import Networks

        return Networks(self._context)

    @cached_property
    def sms_commands(self) -> SmsCommands:
        """SMS to and from SIMs."""
        from asyncsim.resources.supersim.sms_commands import SmsCommands

        return SmsCommands(self._context)

    @cached_property
    def ip_commands(self) -> IpCommands:
        """IP messages to and from SIMs."""
        from asyncsim.resources.supersim.ip_commands import IpCommands

        return IpCommands(self._context)

    @cached_property
    def esim_profiles(self) -> ESimProfiles:
        """Profiles for eSIMs to download."""
        from asyncsim.resources.supersim.esim_profiles import ESimProfiles

        return ESimProfiles(self._context)

    @cached_property
    def settings_updates(self) -> SettingsUpdates:
        """Changes of settings on the cards themselves."""
        from asyncsim.resources.supersim.settings_updates import SettingsUpdates

        return SettingsUpdates(self._context)

    @cached_property
    def usage_records(self) -> UsageRecords:
        """Data used."""
        from asyncsim.resources.supersim.usage_records import UsageRecords

        return UsageRecords(self._context)

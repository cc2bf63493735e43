"""Super SIM."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asyncsim.resources.namespace import Namespace

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


class SuperSim(Namespace):
    """`client.supersim`."""

    sims: Sims
    """Super SIMs."""
    billing_periods: BillingPeriods
    """Billing periods of a SIM."""
    ip_addresses: IpAddresses
    """IP addresses of a SIM."""
    fleets: Fleets
    """Fleets: settings shared by SIMs."""
    network_access_profiles: NetworkAccessProfiles
    """Lists of networks that a Fleet may use."""
    network_access_profile_networks: NetworkAccessProfileNetworks
    """The networks in such a list."""
    networks: Networks
    """Cellular networks."""
    sms_commands: SmsCommands
    """SMS to and from SIMs."""
    ip_commands: IpCommands
    """IP messages to and from SIMs."""
    esim_profiles: ESimProfiles
    """Profiles for eSIMs to download."""
    settings_updates: SettingsUpdates
    """Over-the-air updates of settings on the cards."""
    usage_records: UsageRecords
    """Data used."""

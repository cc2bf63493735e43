"""Super SIM."""

from __future__ import annotations

from asyncsim.connection import Connection
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

    def __init__(self, connection: Connection) -> None:
        self.sims = Sims(connection)
        self.billing_periods = BillingPeriods(connection)
        self.ip_addresses = IpAddresses(connection)
        self.fleets = Fleets(connection)
        self.network_access_profiles = NetworkAccessProfiles(connection)
        self.network_access_profile_networks = NetworkAccessProfileNetworks(connection)
        self.networks = Networks(connection)
        self.sms_commands = SmsCommands(connection)
        self.ip_commands = IpCommands(connection)
        self.esim_profiles = ESimProfiles(connection)
        self.settings_updates = SettingsUpdates(connection)
        self.usage_records = UsageRecords(connection)

"""Valid uses of every method. Both type checkers must accept every line."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, assert_type

from asyncsim import BadRecord, CallbackReceiver, Client, DecodeError, InboundCommand, Page, Pager
from asyncsim.models.monitor.events import Changed, Event, SimEvent
from asyncsim.models.supersim.billing_periods import BillingPeriod
from asyncsim.models.supersim.esim_profiles import ESimProfile
from asyncsim.models.supersim.fleets import Fleet, FleetCreate
from asyncsim.models.supersim.ip_addresses import IpAddress
from asyncsim.models.supersim.ip_commands import IpCommand
from asyncsim.models.supersim.network_access_profile_networks import NetworkAccessProfileNetwork
from asyncsim.models.supersim.network_access_profiles import NetworkAccessProfile
from asyncsim.models.supersim.networks import Network
from asyncsim.models.supersim.settings_updates import SettingsUpdate
from asyncsim.models.supersim.sms_commands import SmsCommand
from asyncsim.models.supersim.usage_records import UsageRecord
from asyncsim.models.webhooks.secrets import Secret
from asyncsim.models.wireless.commands import Command
from asyncsim.models.wireless.data_sessions import DataSession
from asyncsim.models.wireless.rate_plans import RatePlan
from asyncsim.models.wireless.usage_records import (
    AccountUsageRecord,
    UsageRecord as SimUsageRecord,
)

DAY = datetime(2026, 11, 1, tzinfo=UTC)


async def wireless(client: Client) -> None:
    plans = client.wireless.rate_plans
    assert_type(await plans.fetch("WP1"), RatePlan)
    assert_type(await plans.create(), RatePlan)
    assert_type(
        await plans.create(unique_name="p", data_limit=500, international_roaming=["data"]),
        RatePlan,
    )
    await plans.create(international_roaming=("data", "messaging"), data_limit_strategy="block")
    assert_type(await plans.update("WP1", friendly_name=None), RatePlan)
    assert_type(await plans.delete("WP1"), None)
    assert_type(plans.list(page_size=10), Pager[RatePlan])
    assert_type(client.wireless.data_sessions.list("DE1", page_size=10), Pager[DataSession])
    usage = client.wireless.usage_records.list("DE1", start=DAY, end=DAY, granularity="hourly")
    assert_type(usage, Pager[SimUsageRecord])
    account = client.wireless.account_usage_records.list(granularity="all")
    assert_type(account, Pager[AccountUsageRecord])
    page = await plans.list(bad="skip", page_size=10)
    assert_type(page.bad, tuple[BadRecord, ...])
    assert_type(page.bad[0].error, DecodeError)
    client.wireless.usage_records.list("DE1", bad="raise", start=DAY)
    history = client.wireless.sims.history("DE1")
    assert_type(history, Pager[SimEvent])
    async for entry in history:
        assert_type(entry.status, Changed | None)


async def wireless_commands(client: Client) -> None:
    commands = client.wireless.commands
    assert_type(await commands.fetch("DC1"), Command)
    assert_type(await commands.create(command="x"), Command)
    await commands.create(command="x", sim="DE1", command_mode="binary", include_sid="start")
    sent = await commands.send_and_wait(command="x", sim="DE1", until="delivered", timeout=60)
    assert_type(sent, Command)
    await commands.send_and_wait(command="x", sim="DE1", until={"sent", "delivered"})
    assert_type(await commands.await_transition(sent, until=["delivered"]), Command)
    assert_type(await commands.delete("DC1"), None)
    assert_type(commands.list(sim="DE1", status="failed", transport="ip"), Pager[Command])


async def fleets(client: Client) -> None:
    fleets = client.supersim.fleets
    assert_type(await fleets.create(network_access_profile="p", data_limit=100), Fleet)
    keywords: FleetCreate = {"network_access_profile": "p", "sms_commands_method": "GET"}
    await fleets.create(**keywords)
    assert_type(await fleets.update("HF1", ip_commands_url=None, data_limit=5), Fleet)
    assert_type(fleets.list(network_access_profile="p"), Pager[Fleet])
    profiles = client.supersim.network_access_profiles
    assert_type(await profiles.fetch("HA1"), NetworkAccessProfile)
    assert_type(await profiles.create(networks=("HW1", "HW2")), NetworkAccessProfile)
    assert_type(await profiles.update("HA1", unique_name=None), NetworkAccessProfile)
    assert_type(profiles.list(), Pager[NetworkAccessProfile])
    inside = client.supersim.network_access_profile_networks
    assert_type(await inside.create("HA1", network="HW1"), NetworkAccessProfileNetwork)
    assert_type(await inside.fetch("HA1", "HW1"), NetworkAccessProfileNetwork)
    assert_type(await inside.delete("HA1", "HW1"), None)
    assert_type(inside.list("HA1", page_size=5), Pager[NetworkAccessProfileNetwork])
    assert_type(await client.supersim.networks.fetch("HW1"), Network)
    assert_type(client.supersim.networks.list(iso_country="US", mcc="310"), Pager[Network])


async def supersim_commands(client: Client) -> None:
    texts = client.supersim.sms_commands
    assert_type(await texts.create(sim="HS1", payload="x"), SmsCommand)
    assert_type(await texts.send_and_wait(sim="HS1", payload="x", until="sent"), SmsCommand)
    assert_type(await texts.await_transition("HC1", timeout=5), SmsCommand)
    assert_type(await texts.fetch("HC1"), SmsCommand)
    assert_type(texts.list(direction="from_sim", status="received"), Pager[SmsCommand])
    packets = client.supersim.ip_commands
    assert_type(await packets.create(sim="HS1", payload="x", device_port=7), IpCommand)
    sent = await packets.send_and_wait(
        sim="HS1", payload="x", device_port=7, payload_type="text", timeout=5
    )
    assert_type(sent, IpCommand)
    assert_type(await packets.await_transition(sent), IpCommand)
    assert_type(await packets.fetch("HG1"), IpCommand)
    assert_type(packets.list(sim_iccid="8988"), Pager[IpCommand])


async def supersim_others(client: Client) -> None:
    profiles = client.supersim.esim_profiles
    assert_type(await profiles.create(eid="89"), ESimProfile)
    made = await profiles.create_and_wait(generate_matching_id=True, until={"available"})
    assert_type(made, ESimProfile)
    assert_type(await profiles.await_transition(made, until="installed"), ESimProfile)
    assert_type(await profiles.fetch("HP1"), ESimProfile)
    assert_type(profiles.list(status="failed", sim_sid="HS1"), Pager[ESimProfile])
    assert_type(client.supersim.billing_periods.list("HS1"), Pager[BillingPeriod])
    assert_type(client.supersim.ip_addresses.list("HS1"), Pager[IpAddress])
    updates = client.supersim.settings_updates.list(sim="HS1", status="in-progress")
    assert_type(updates, Pager[SettingsUpdate])
    usage = client.supersim.usage_records.list(
        sim="HS1", group="isoCountry", granularity="day", start_time=DAY, end_time=DAY
    )
    assert_type(usage, Pager[UsageRecord])
    async for record in usage:
        assert_type(record.data_total_billed, Decimal | None)


async def around(client: Client) -> None:
    assert_type(await client.monitor.events.fetch("AE1"), Event)
    events = client.monitor.events.list(resource_sid="DE1", start_date=DAY)
    assert_type(events, Pager[Event])
    secrets = client.webhooks.secrets
    assert_type(await secrets.create(name="first"), Secret)
    assert_type(await secrets.update("whs_1", name="second", status="active"), Secret)
    assert_type(await secrets.list(status="pending", page_number=2, page_size=5), Page[Secret])


async def lists(client: Client) -> None:
    names = client.supersim.fleets.list().where(lambda fleet: bool(fleet.data_enabled))
    assert_type(names, Pager[Fleet])
    assert_type(names.map(lambda fleet: len(fleet.sid)), Pager[int])
    page = await client.supersim.fleets.list(limit=5)
    assert_type(page[0], Fleet)
    assert_type(page[1:], tuple[Fleet, ...])
    assert_type(page.to_dicts(), list[dict[str, Any]])
    assert_type(await client.wireless.sims.list(limit=5).to_dicts(), list[dict[str, Any]])


async def devices(receiver: CallbackReceiver) -> None:
    assert_type(receiver.commands_url("twilio", "supersim"), str)
    async for command in receiver.commands():
        assert_type(command, InboundCommand)
        assert_type(command.payload, str | None)

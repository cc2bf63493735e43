"""Invalid uses of all methods. Both type checkers must reject each marked line, and no other."""

from __future__ import annotations

from asyncsim import CallbackReceiver, Client


async def wireless(client: Client) -> None:
    plans = client.wireless.rate_plans
    await plans.create(unique_nmae="p")  # E: misspelt keyword
    await plans.create(data_limit="500")  # E: megabytes are a number
    await plans.create(data_limit_strategy="stop")  # E: block or throttle
    await plans.update("WP1", data_limit=5)  # E: nothing but names can be changed
    await plans.update(friendly_name="x")  # E: the RatePlan is required
    client.wireless.data_sessions.list()  # E: the SIM is required
    client.wireless.data_sessions.list(sim="DE1")  # E: the SIM is positional
    client.wireless.usage_records.list("DE1", granularity="day")  # E: of the other product
    client.wireless.account_usage_records.list(start="2026-11-01")  # E: a datetime
    client.wireless.account_usage_records.fetch("x")  # E: read as a list only
    client.wireless.sims.history()  # E: the SIM is required
    plans.list(bad="ignore")  # E: raise or skip
    plans.list(limit="5")  # E: a number


async def wireless_commands(client: Client) -> None:
    commands = client.wireless.commands
    await commands.create(sim="DE1")  # E: the payload is required
    await commands.create("hello")  # E: keywords only
    await commands.create(command="x", command_mode="hex")  # E: text or binary
    await commands.create(command="x", until="sent")  # E: does not wait
    await commands.send_and_wait(command="x", until="done")  # E: unknown status
    await commands.send_and_wait(command="x", timeout="5")  # E: seconds are a number
    await commands.await_transition("DC1", until="active")  # E: a status of SIMs
    await commands.update("DC1", command="y")  # E: no such verb
    commands.list(status="lost")  # E: unknown status


async def fleets(client: Client) -> None:
    fleets = client.supersim.fleets
    await fleets.create(unique_name="f")  # E: the profile is required
    await fleets.create(network_access_profile=None)  # E: the profile is text
    await fleets.update("HF1", data_enabled=False)  # E: immutable
    await fleets.update("HF1", sms_commands_method="PUT")  # E: GET or POST
    await fleets.delete("HF1")  # E: no such verb
    profiles = client.supersim.network_access_profiles
    await profiles.create(networks=[1])  # E: SIDs are text
    await profiles.update("HA1", networks=["HW1"])  # E: networks have their own list
    inside = client.supersim.network_access_profile_networks
    await inside.fetch("HW1")  # E: the profile is required
    await inside.create("HA1")  # E: the Network is required
    await inside.delete("HA1")  # E: the Network is required
    await client.supersim.networks.create(mcc="310")  # E: no such verb
    client.supersim.networks.list(country="US")  # E: unknown filter


async def supersim_commands(client: Client) -> None:
    texts = client.supersim.sms_commands
    await texts.create(sim="HS1")  # E: the payload is required
    await texts.create(sim="HS1", payload=b"x")  # E: text
    await texts.send_and_wait(payload="x")  # E: the SIM is required
    await texts.delete("HC1")  # E: no such verb
    packets = client.supersim.ip_commands
    await packets.create(sim="HS1", payload="x")  # E: the port is required
    await packets.create(sim="HS1", payload="x", device_port="7")  # E: a number
    await packets.send_and_wait(sim="s", payload="x", device_port=7, until="delivered")  # E: never
    packets.list(direction="both")  # E: to_sim or from_sim


async def supersim_others(client: Client) -> None:
    profiles = client.supersim.esim_profiles
    await profiles.create(matching_id="x")  # E: the vendor creates it
    await profiles.create_and_wait(until={"ready"})  # E: unknown status
    await profiles.create_and_wait(generate_matching_id="true")  # E: a bool
    client.supersim.billing_periods.list()  # E: the SIM is required
    client.supersim.ip_addresses.list("HS1", version=4)  # E: unknown filter
    client.supersim.settings_updates.list(status="in_progress")  # E: spelled with a hyphen
    client.supersim.usage_records.list("HS1")  # E: the SIM is a filter here
    client.supersim.usage_records.list(group="country")  # E: isoCountry
    client.supersim.usage_records.list(start_time="2026-11-01")  # E: a datetime


async def around(client: Client) -> None:
    client.monitor.events.list(sid="AE1")  # E: unknown filter
    client.monitor.events.list(start_date="2026-11-01")  # E: a datetime
    await client.webhooks.secrets.create()  # E: a name is required
    await client.webhooks.secrets.update("whs_1", status="retired")  # E: active or pending
    client.webhooks.secrets.list(page="1")  # E: no page parameter
    await client.webhooks.secrets.delete("whs_1")  # E: no such verb


def devices(receiver: CallbackReceiver) -> None:
    receiver.commands_url("twilio")  # E: the product is required
    for command in receiver.commands():  # E: Commands are asynchronous
        print(command)

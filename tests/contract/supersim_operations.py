"""All operations of Super SIM, each carried out at least once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tests.contract.operations import OperationContext, Step, collect


async def list_sims(ctx: OperationContext) -> None:
    sims = ctx.client.supersim.sims
    rows = await collect(sims.list(page_size=3))
    assert len(rows) > 3
    assert len(await sims.list(iccid=rows[0].iccid or "")) == 1
    await collect(sims.list(status="new", fleet="default"))


async def fetch_sim(ctx: OperationContext) -> None:
    sid = await ctx.active_sim()
    assert (await ctx.client.supersim.sims.fetch(sid)).sid == sid


async def register_sim(ctx: OperationContext) -> None:
    card = ctx.world.registrable[0]
    code = card.registration_code
    sim = await ctx.client.supersim.sims.register(iccid=card.iccid, registration_code=code)
    assert sim.status == "new"


async def update_sim(ctx: OperationContext) -> None:
    sims, sid = ctx.client.supersim.sims, await ctx.active_sim()
    await sims.update(sid, unique_name="a/b c")
    await sims.update_and_wait("a/b c", status="inactive", fleet=None, timeout=60)
    await sims.update_and_wait(sid, status="active", fleet="default", timeout=60)
    await sims.update(sid, unique_name=None, callback_url="https://example.com/")


async def list_periods(ctx: OperationContext) -> None:
    periods = ctx.client.supersim.billing_periods
    assert await collect(periods.list(await ctx.active_sim(), page_size=10))


async def list_addresses(ctx: OperationContext) -> None:
    await collect(ctx.client.supersim.ip_addresses.list(await ctx.active_sim()))


async def list_fleets(ctx: OperationContext) -> None:
    fleets = ctx.client.supersim.fleets
    assert await collect(fleets.list(page_size=1))
    await collect(fleets.list(network_access_profile="default"))


async def fetch_fleet(ctx: OperationContext) -> None:
    await ctx.client.supersim.fleets.fetch("default")


async def create_fleet(ctx: OperationContext) -> None:
    fleet = await ctx.client.supersim.fleets.create(
        network_access_profile="default",
        unique_name="created",
        data_limit=500,
        sms_commands_url="https://example.com/sms",
        ip_commands_method="GET",
    )
    assert fleet.data_limit == 500


async def update_fleet(ctx: OperationContext) -> None:
    fleets = ctx.client.supersim.fleets
    fleet = await fleets.create(network_access_profile="default")
    fleet = await fleets.update(fleet.sid, data_limit=7, ip_commands_url="https://example.com/ip")
    assert (await fleets.update(fleet.sid, ip_commands_url=None)).data_limit == 7


async def profile(ctx: OperationContext, *networks: str) -> str:
    profiles = ctx.client.supersim.network_access_profiles
    return (await profiles.create(networks=networks)).sid


async def networks(ctx: OperationContext) -> list[str]:
    return [row.sid for row in await ctx.client.supersim.networks.list(page_size=2)]


async def list_profiles(ctx: OperationContext) -> None:
    await profile(ctx)
    assert await collect(ctx.client.supersim.network_access_profiles.list(page_size=1))


async def fetch_profile(ctx: OperationContext) -> None:
    await ctx.client.supersim.network_access_profiles.fetch("default")


async def create_profile(ctx: OperationContext) -> None:
    await profile(ctx, *await networks(ctx))


async def update_profile(ctx: OperationContext) -> None:
    profiles = ctx.client.supersim.network_access_profiles
    changed = await profiles.update(await profile(ctx), unique_name="changed")
    assert changed.unique_name == "changed"


async def list_profile_networks(ctx: OperationContext) -> None:
    inside = ctx.client.supersim.network_access_profile_networks
    own = await profile(ctx, *await networks(ctx))
    assert len(await collect(inside.list(own, page_size=1))) == 2


async def add_profile_network(ctx: OperationContext) -> None:
    first, _ = await networks(ctx)
    inside = ctx.client.supersim.network_access_profile_networks
    await inside.create(await profile(ctx), network=first)


async def fetch_profile_network(ctx: OperationContext) -> None:
    first, _ = await networks(ctx)
    inside = ctx.client.supersim.network_access_profile_networks
    await inside.fetch(await profile(ctx, first), first)


async def remove_profile_network(ctx: OperationContext) -> None:
    first, second = await networks(ctx)
    inside = ctx.client.supersim.network_access_profile_networks
    await inside.delete(await profile(ctx, first, second), first)


async def list_networks(ctx: OperationContext) -> None:
    assert await collect(ctx.client.supersim.networks.list(page_size=2))
    await collect(ctx.client.supersim.networks.list(iso_country="US", mcc="310", mnc="410"))


async def fetch_network(ctx: OperationContext) -> None:
    await ctx.client.supersim.networks.fetch((await networks(ctx))[0])


async def send_text(ctx: OperationContext) -> None:
    texts, sim = ctx.client.supersim.sms_commands, await ctx.active_sim()
    await texts.create(sim=sim, payload="hello", callback_method="GET")
    assert (await texts.send_and_wait(sim=sim, payload="hello")).status in ("sent", "delivered")


async def list_texts(ctx: OperationContext) -> None:
    await send_text(ctx)
    texts = ctx.client.supersim.sms_commands
    assert len(await collect(texts.list(page_size=1, direction="to_sim"))) > 1
    await collect(texts.list(sim=await ctx.active_sim(), status="queued"))


async def fetch_text(ctx: OperationContext) -> None:
    texts = ctx.client.supersim.sms_commands
    made = await texts.create(sim=await ctx.active_sim(), payload="x")
    assert (await texts.fetch(made.sid)).payload == "x"


async def send_packet(ctx: OperationContext) -> None:
    packets, sim = ctx.client.supersim.ip_commands, await ctx.active_sim()
    await packets.create(sim=sim, payload="aGVsbG8=", device_port=7, payload_type="binary")
    await packets.create(sim=sim, payload="hello", device_port=65535, payload_type="text")


async def list_packets(ctx: OperationContext) -> None:
    await send_packet(ctx)
    packets = ctx.client.supersim.ip_commands
    assert len(await collect(packets.list(page_size=1))) > 1
    await collect(packets.list(sim=await ctx.active_sim(), direction="to_sim", status="sent"))


async def fetch_packet(ctx: OperationContext) -> None:
    packets = ctx.client.supersim.ip_commands
    made = await packets.create(sim=await ctx.active_sim(), payload="eA==", device_port=7)
    assert (await packets.fetch(made.sid)).device_port == 7


async def create_profile_for_esim(ctx: OperationContext) -> None:
    profiles = ctx.client.supersim.esim_profiles
    made = await profiles.create_and_wait(generate_matching_id=True, until={"available"})
    assert made.sim_sid


async def list_esims(ctx: OperationContext) -> None:
    await create_profile_for_esim(ctx)
    assert await collect(ctx.client.supersim.esim_profiles.list(status="available"))


async def fetch_esim(ctx: OperationContext) -> None:
    profiles = ctx.client.supersim.esim_profiles
    made = await profiles.create(eid="89033023001211360000000000000001")
    assert (await profiles.fetch(made.sid)).eid == made.eid


async def list_settings_updates(ctx: OperationContext) -> None:
    updates, sim = ctx.client.supersim.settings_updates, await ctx.active_sim()
    await collect(updates.list(sim=sim, page_size=1))
    await collect(updates.list(status="successful"))


async def list_usage(ctx: OperationContext) -> None:
    usage = ctx.client.supersim.usage_records
    assert await collect(usage.list())
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    start = today - timedelta(days=3)
    await collect(
        usage.list(group="sim", granularity="day", start_time=start, end_time=today, page_size=9)
    )
    await collect(usage.list(group="isoCountry", fleet="default"))


STEPS: dict[str, Step] = {
    "GET /v1/Sims": list_sims,
    "GET /v1/Sims/{}": fetch_sim,
    "POST /v1/Sims": register_sim,
    "POST /v1/Sims/{}": update_sim,
    "GET /v1/Sims/{}/BillingPeriods": list_periods,
    "GET /v1/Sims/{}/IpAddresses": list_addresses,
    "GET /v1/Fleets": list_fleets,
    "GET /v1/Fleets/{}": fetch_fleet,
    "POST /v1/Fleets": create_fleet,
    "POST /v1/Fleets/{}": update_fleet,
    "GET /v1/NetworkAccessProfiles": list_profiles,
    "GET /v1/NetworkAccessProfiles/{}": fetch_profile,
    "POST /v1/NetworkAccessProfiles": create_profile,
    "POST /v1/NetworkAccessProfiles/{}": update_profile,
    "GET /v1/NetworkAccessProfiles/{}/Networks": list_profile_networks,
    "POST /v1/NetworkAccessProfiles/{}/Networks": add_profile_network,
    "GET /v1/NetworkAccessProfiles/{}/Networks/{}": fetch_profile_network,
    "DELETE /v1/NetworkAccessProfiles/{}/Networks/{}": remove_profile_network,
    "GET /v1/Networks": list_networks,
    "GET /v1/Networks/{}": fetch_network,
    "GET /v1/SmsCommands": list_texts,
    "GET /v1/SmsCommands/{}": fetch_text,
    "POST /v1/SmsCommands": send_text,
    "GET /v1/IpCommands": list_packets,
    "GET /v1/IpCommands/{}": fetch_packet,
    "POST /v1/IpCommands": send_packet,
    "GET /v1/ESimProfiles": list_esims,
    "GET /v1/ESimProfiles/{}": fetch_esim,
    "POST /v1/ESimProfiles": create_profile_for_esim,
    "GET /v1/SettingsUpdates": list_settings_updates,
    "GET /v1/UsageRecords": list_usage,
}

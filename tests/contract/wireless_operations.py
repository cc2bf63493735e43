"""All operations of Programmable Wireless, each carried out at least once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tests.contract.operations import OperationContext, Step, collect

ROAMING = ["data", "messaging"]


async def list_sims(ctx: OperationContext) -> None:
    sims = ctx.client.wireless.sims
    rows = await collect(sims.list(page_size=3))
    assert len(rows) > 3
    assert len(await sims.list(iccid=rows[0].iccid or "")) == 1
    await collect(sims.list(status="new", rate_plan="default"))


async def fetch_sim(ctx: OperationContext) -> None:
    sid = await ctx.active_sim()
    assert (await ctx.client.wireless.sims.fetch(sid)).sid == sid


async def update_sim(ctx: OperationContext) -> None:
    sims, sid = ctx.client.wireless.sims, await ctx.active_sim()
    await sims.update(sid, unique_name="a/b c", friendly_name="Fridge")
    await sims.update("a/b c", commands_callback_url="https://example.com/", sms_method="GET")
    await sims.update_and_wait(sid, status="suspended", timeout=60)
    await sims.update_and_wait(sid, status="active", callback_method="POST", timeout=60)
    await sims.update_and_wait(sid, reset_status="resetting", timeout=60)
    await sims.update(sid, unique_name=None)


async def delete_sim(ctx: OperationContext) -> None:
    await ctx.client.wireless.sims.delete(await ctx.new_sim())


async def list_plans(ctx: OperationContext) -> None:
    assert await collect(ctx.client.wireless.rate_plans.list(page_size=1))


async def fetch_plan(ctx: OperationContext) -> None:
    await ctx.client.wireless.rate_plans.fetch("default")


async def create_plan(ctx: OperationContext) -> None:
    plan = await ctx.client.wireless.rate_plans.create(
        unique_name="created", data_enabled=True, data_limit=500, international_roaming=ROAMING
    )
    assert plan.data_limit == 500


async def update_plan(ctx: OperationContext) -> None:
    plan = await ctx.client.wireless.rate_plans.create(friendly_name="before")
    plan = await ctx.client.wireless.rate_plans.update(plan.sid, friendly_name="after")
    assert plan.friendly_name == "after"


async def delete_plan(ctx: OperationContext) -> None:
    plan = await ctx.client.wireless.rate_plans.create()
    await ctx.client.wireless.rate_plans.delete(plan.sid)


async def create_command(ctx: OperationContext) -> None:
    commands, sim = ctx.client.wireless.commands, await ctx.active_sim()
    await commands.create(command="hello", sim=sim, include_sid="end")
    sent = await commands.send_and_wait(
        command="aGVsbG8=", sim=sim, command_mode="binary", delivery_receipt_requested=True
    )
    assert sent.status == "delivered"


async def list_commands(ctx: OperationContext) -> None:
    await create_command(ctx)
    commands = ctx.client.wireless.commands
    assert len(await collect(commands.list(page_size=1, direction="to_sim"))) > 1
    await collect(commands.list(sim=await ctx.active_sim(), status="sent", transport="sms"))


async def fetch_command(ctx: OperationContext) -> None:
    made = await ctx.client.wireless.commands.create(command="x", sim=await ctx.active_sim())
    assert (await ctx.client.wireless.commands.fetch(made.sid)).command == "x"


async def delete_command(ctx: OperationContext) -> None:
    made = await ctx.client.wireless.commands.create(command="x", sim=await ctx.active_sim())
    await ctx.client.wireless.commands.delete(made.sid)


async def list_sessions(ctx: OperationContext) -> None:
    await collect(ctx.client.wireless.data_sessions.list(await ctx.active_sim(), page_size=1))


async def list_usage(ctx: OperationContext) -> None:
    usage, sim = ctx.client.wireless.usage_records, await ctx.active_sim()
    assert await collect(usage.list(sim))
    now = datetime.now(UTC)
    start = now - timedelta(days=3)
    await collect(usage.list(sim, granularity="daily", start=start, end=now, page_size=2))


async def list_account_usage(ctx: OperationContext) -> None:
    usage = ctx.client.wireless.account_usage_records
    await collect(usage.list(granularity="hourly", page_size=1000))
    assert await collect(usage.list(granularity="all"))


STEPS: dict[str, Step] = {
    "GET /v1/Sims": list_sims,
    "GET /v1/Sims/{}": fetch_sim,
    "POST /v1/Sims/{}": update_sim,
    "DELETE /v1/Sims/{}": delete_sim,
    "GET /v1/RatePlans": list_plans,
    "GET /v1/RatePlans/{}": fetch_plan,
    "POST /v1/RatePlans": create_plan,
    "POST /v1/RatePlans/{}": update_plan,
    "DELETE /v1/RatePlans/{}": delete_plan,
    "GET /v1/Commands": list_commands,
    "GET /v1/Commands/{}": fetch_command,
    "POST /v1/Commands": create_command,
    "DELETE /v1/Commands/{}": delete_command,
    "GET /v1/Sims/{}/DataSessions": list_sessions,
    "GET /v1/Sims/{}/UsageRecords": list_usage,
    "GET /v1/UsageRecords": list_account_usage,
}

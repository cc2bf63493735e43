"""`asyncsim rate-plans`: list and show the rate plans of Programmable Wireless."""

from __future__ import annotations

from cyclopts import App

from asyncsim.cli.accounts import log_in
from asyncsim.cli.exits import Exit
from asyncsim.cli.listing import View, print_each, print_list
from asyncsim.cli.options import Limit, Names, RowOutput, ShownColumns, Vendor
from asyncsim.models.wireless.rate_plans import RatePlan

rate_plans = App(
    name="rate-plans",
    help="List and show rate plans (Programmable Wireless).",
    help_format="plaintext",
)

_IN_A_TABLE = ("sid", "unique_name", "data_enabled", "data_limit")


@rate_plans.command(name="list")
async def list_(
    *,
    vendor: Vendor = None,
    limit: Limit = None,
    columns: ShownColumns = None,
    output: RowOutput = "table",
) -> None:
    """List the rate plans of Programmable Wireless; JSON and CSV have all fields.

    Example: asyncsim rate-plans list -o csv > plans.csv
    """
    view = View.of(RatePlan, output, columns, _IN_A_TABLE)
    async with log_in(vendor) as client:
        await print_list(client.wireless.rate_plans.list, {}, view, limit)


@rate_plans.command
async def get(
    names: Names,
    /,
    *,
    vendor: Vendor = None,
    columns: ShownColumns = None,
    output: RowOutput = "table",
) -> Exit:
    """Show rate plans, by SID or unique name.

    Example: asyncsim rate-plans get my-plan
    """
    view = View.of(RatePlan, output, columns, _IN_A_TABLE)
    async with log_in(vendor) as client:
        return await print_each(names, client.wireless.rate_plans.fetch, view)

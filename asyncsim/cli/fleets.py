"""`asyncsim fleets`: list and show the Fleets of Super SIM."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

from asyncsim.cli.accounts import log_in
from asyncsim.cli.exits import Exit
from asyncsim.cli.listing import View, print_each, print_list
from asyncsim.cli.options import Limit, Names, RowOutput, ShownColumns, Vendor
from asyncsim.models.supersim.fleets import Fleet

fleets = App(name="fleets", help="List and show Fleets (Super SIM).", help_format="plaintext")

_IN_A_TABLE = ("sid", "unique_name", "data_enabled", "data_limit")


@fleets.command(name="list")
async def list_(
    *,
    vendor: Vendor = None,
    profile: Annotated[
        str | None,
        Parameter(
            name="--network-access-profile", help="Only Fleets with this profile: SID or name."
        ),
    ] = None,
    limit: Limit = None,
    columns: ShownColumns = None,
    output: RowOutput = "table",
) -> None:
    """List the Fleets of Super SIM; JSON and CSV have all fields.

    Example: asyncsim fleets list --columns unique_name,data_limit
    """
    view = View.of(Fleet, output, columns, _IN_A_TABLE)
    filters = {} if profile is None else {"network_access_profile": profile}
    async with log_in(vendor) as client:
        await print_list(client.supersim.fleets.list, filters, view, limit)


@fleets.command
async def get(
    names: Names,
    /,
    *,
    vendor: Vendor = None,
    columns: ShownColumns = None,
    output: RowOutput = "table",
) -> Exit:
    """Show Fleets, by SID or unique name.

    Example: asyncsim fleets get my-fleet
    """
    view = View.of(Fleet, output, columns, _IN_A_TABLE)
    async with log_in(vendor) as client:
        return await print_each(names, client.supersim.fleets.fetch, view)

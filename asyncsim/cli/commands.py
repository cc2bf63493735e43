"""`asyncsim commands`: list and show the Commands to and from SIMs."""

from __future__ import annotations

from typing import Annotated, Any, Literal, cast

from cyclopts import App, Parameter

from asyncsim import Client
from asyncsim.cli.accounts import find_one, log_in, sims_of
from asyncsim.cli.exits import Exit
from asyncsim.cli.listing import View, print_each, print_list
from asyncsim.cli.options import Limit, Names, Product, RowOutput, ShownColumns, Vendor
from asyncsim.models.supersim.sms_commands import SmsCommand
from asyncsim.models.wireless.commands import Command
from asyncsim.validation import looks_like_iccid

commands = App(
    name="commands",
    help="List and show SMS Commands to and from SIMs.",
    help_format="plaintext",
)


def _commands_of(client: Client, product: str) -> Any:
    """Return the SmsCommands of Super SIM, or the Commands of Programmable Wireless."""
    wireless = product == "wireless"
    # Keywords are text here; the library validates each before anything is sent.
    return cast("Any", client.wireless.commands if wireless else client.supersim.sms_commands)


def _view(product: str, output: Any, columns: str | None) -> View:
    if product == "wireless":
        return View.of(Command, output, columns, ("sid", "status", "direction", "command"))
    return View.of(SmsCommand, output, columns, ("sid", "status", "direction", "payload"))


@commands.command(name="list")
async def list_(
    *,
    product: Product = "supersim",
    vendor: Vendor = None,
    sim: Annotated[
        str | None, Parameter(help="Only those of this SIM: SID, unique name or ICCID.")
    ] = None,
    status: Annotated[str | None, Parameter(help="Only those in this status.")] = None,
    direction: Annotated[
        Literal["to_sim", "from_sim"] | None, Parameter(help="Only those to, or from, SIMs.")
    ] = None,
    limit: Limit = None,
    columns: ShownColumns = None,
    output: RowOutput = "table",
) -> None:
    """List SMS Commands of Super SIM, or Commands of Programmable Wireless.

    Example: asyncsim commands list --direction from_sim --columns sim_sid,payload
    """
    view = _view(product, output, columns)
    given = {"sim": sim, "status": status, "direction": direction}
    filters = {name: value for name, value in given.items() if value is not None}
    async with log_in(vendor) as client:
        if sim is not None and looks_like_iccid(sim):  # the filter takes a SID or a unique name
            filters["sim"] = (await find_one(sims_of(client, product), sim)).sid
        await print_list(_commands_of(client, product).list, filters, view, limit)


@commands.command
async def get(
    names: Annotated[Names, Parameter(help="SIDs.")],
    /,
    *,
    product: Product = "supersim",
    vendor: Vendor = None,
    columns: ShownColumns = None,
    output: RowOutput = "table",
) -> Exit:
    """Show Commands, by SID.

    Example: asyncsim commands get HC00000000000000000000000000000001
    """
    view = _view(product, output, columns)
    async with log_in(vendor) as client:
        return await print_each(names, _commands_of(client, product).fetch, view)

"""`asyncsim sims`: list, show and update SIMs, and wait for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from cyclopts import App, Parameter
from cyclopts.validators import Number

from asyncsim.cli.accounts import (
    Sims,
    changes_of,
    check_confirmed,
    check_product,
    check_status,
    find_one,
    log_in,
    model_of,
    sims_of,
)
from asyncsim.cli.exits import CommandError, Exit
from asyncsim.cli.listing import View, print_each, print_list
from asyncsim.cli.options import (
    Clear,
    Confirm,
    Fleet,
    Limit,
    Names,
    Product,
    RatePlan,
    RowOutput,
    ShownColumns,
    Timeout,
    Vendor,
)
from asyncsim.cli.output import RowFormat, say
from asyncsim.cli.watch import watch_list
from asyncsim.validation import looks_like_iccid

sims = App(
    name="sims", help="List, show and update SIMs, and wait for them.", help_format="plaintext"
)

_IN_A_TABLE = ("sid", "status", "iccid", "unique_name")
_INTERVAL = 5.0  # seconds

SimNames = Annotated[Names, Parameter(help="SIDs, unique names or ICCIDs.")]


def _view(product: str, output: RowFormat, columns: str | None) -> View:
    return View.of(model_of(product), output, columns, _IN_A_TABLE)


@sims.command(name="list")
async def list_(
    *,
    product: Product = "supersim",
    vendor: Vendor = None,
    status: Annotated[str | None, Parameter(help="Only SIMs in this status.")] = None,
    fleet: Fleet = None,
    rate_plan: RatePlan = None,
    iccid: Annotated[str | None, Parameter(help="Only the SIM with this ICCID.")] = None,
    limit: Limit = None,
    watch: Annotated[
        bool, Parameter(help="Read again and again, until Ctrl-C.", negative="")
    ] = False,
    interval: Annotated[
        float | None,
        Parameter(
            help="Seconds between two reads; default: 5.",
            show_default=False,
            validator=Number(gt=0),
        ),
    ] = None,
    columns: ShownColumns = None,
    output: RowOutput = "table",
) -> None:
    """List SIMs; JSON and CSV have all fields.

    Example: asyncsim sims list --status new --limit 20 -o csv > new.csv
    """
    filters = changes_of(product, status=status, fleet=fleet, rate_plan=rate_plan)
    if iccid is not None:
        filters["iccid"] = iccid
    view = _view(product, output, columns)
    if interval is not None and not watch:
        raise CommandError("--interval needs --watch")
    if watch and output == "json":
        raise CommandError("--watch never ends its output, so it cannot be one array: -o ndjson")
    async with log_in(vendor) as client:
        list_ = sims_of(client, product).list
        if watch:
            await watch_list(list_, filters, view, limit, interval or _INTERVAL)
        else:
            await print_list(list_, filters, view, limit)


@sims.command
async def get(
    names: SimNames,
    /,
    *,
    product: Product = "supersim",
    vendor: Vendor = None,
    columns: ShownColumns = None,
    output: RowOutput = "table",
) -> Exit:
    """Show SIMs; JSON and CSV have all fields.

    Example: asyncsim sims get 89883070000012345678 my-sim
    """
    _check_products(product, names)
    view = _view(product, output, columns)
    async with log_in(vendor) as client:
        account = sims_of(client, product)
        return await print_each(names, lambda name: find_one(account, name), view)


def _check_products(product: str, names: Sequence[str]) -> None:
    for name in names:
        check_product(product, name)


@sims.command
async def update(
    names: SimNames,
    /,
    *,
    product: Product = "supersim",
    vendor: Vendor = None,
    status: Annotated[str | None, Parameter(help="Target status.")] = None,
    fleet: Fleet = None,
    rate_plan: RatePlan = None,
    unique_name: Annotated[str | None, Parameter(help="New unique name.")] = None,
    clear: Clear = None,
    wait: Annotated[bool, Parameter(help="Wait until the SIMs have settled.", negative="")] = False,
    timeout: Timeout = None,
    confirm: Confirm = None,
    columns: ShownColumns = None,
    output: RowOutput = "table",
) -> Exit:
    """Update SIMs; shows them as in the response or, with --wait, in their final status.

    Example: asyncsim sims update my-sim --status active --fleet my-fleet --wait
    """
    changes = changes_of(
        product,
        status=status,
        fleet=fleet,
        rate_plan=rate_plan,
        unique_name=unique_name,
        clear=clear,
    )
    if not changes:
        raise CommandError(
            "nothing to change: use --status, --fleet, --rate-plan, --unique-name or --clear"
        )
    if unique_name is not None and len(names) > 1:
        raise CommandError("--unique-name is for one SIM: two cannot have the same name")
    _check_products(product, names)
    check_status(product, status)
    check_confirmed(status, confirm, len(names))
    view = _view(product, output, columns)
    async with log_in(vendor) as client:
        account = sims_of(client, product)
        if wait:
            say(f"updating {_described(names)} and waiting until {_have(names)} settled")

        async def change(name: str) -> object:
            sid = await _sid_or_name(account, name)
            if wait:
                return await account.update_and_wait(sid, timeout=timeout, **changes)
            return await account.update(sid, **changes)

        return await print_each(names, change, view, sent=True)


def _described(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{len(names):,} SIMs"


def _have(names: Sequence[str]) -> str:
    return "it has" if len(names) == 1 else "they have"


async def _sid_or_name(account: Sims, name: str) -> str:
    """Return a name that may be in a path; an ICCID may not."""
    return (await find_one(account, name)).sid if looks_like_iccid(name) else name


@sims.command
async def wait(
    names: SimNames,
    /,
    *,
    product: Product = "supersim",
    vendor: Vendor = None,
    until: Annotated[str | None, Parameter(help="Status to wait for.")] = None,
    timeout: Timeout = None,
    columns: ShownColumns = None,
    output: RowOutput = "table",
) -> Exit:
    """Wait until SIMs have settled, or have reached a status.

    Example: asyncsim sims wait my-sim --until active --timeout 300
    """
    _check_products(product, names)
    view = _view(product, output, columns)
    async with log_in(vendor) as client:
        account = sims_of(client, product)
        say(f"waiting for {_described(names)} to be {until or 'settled'}")

        async def settle(name: str) -> object:
            sid = await _sid_or_name(account, name)
            return await account.await_transition(sid, until=until, timeout=timeout)

        return await print_each(names, settle, view)

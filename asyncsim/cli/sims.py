"""`asyncsim sims`: list, show and update SIMs, and wait for them."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Annotated

from cyclopts import App, Parameter

from asyncsim.cli.accounts import (
    Sim,
    Sims,
    changes_of,
    check_confirmed,
    check_product,
    check_status,
    fields_of,
    find_one,
    log_in,
    row_of,
    sims_of,
)
from asyncsim.cli.exits import CommandError, Exit
from asyncsim.cli.options import (
    AT_LEAST_ONE,
    Clear,
    Confirm,
    Fleet,
    Output,
    Product,
    RatePlan,
    Timeout,
    Vendor,
)
from asyncsim.cli.output import Format, print_one, printable, printer, say
from asyncsim.cli.streams import OutputLost, ReaderLeft
from asyncsim.validation import looks_like_iccid

sims = App(
    name="sims", help="List, show and update SIMs, and wait for them.", help_format="plaintext"
)

_PAGE = 1000  # rows; the largest page of both vendors
_IN_A_TABLE = ("sid", "status", "iccid", "unique_name")
_TOO_WIDE = ("url", "links")

Name = Annotated[str, Parameter(help="SID, unique name or ICCID.")]


@sims.command(name="list")
async def list_(
    *,
    product: Product = "supersim",
    vendor: Vendor = None,
    status: Annotated[str | None, Parameter(help="Only SIMs in this status.")] = None,
    fleet: Fleet = None,
    rate_plan: RatePlan = None,
    iccid: Annotated[str | None, Parameter(help="Only the SIM with this ICCID.")] = None,
    limit: Annotated[
        int | None, Parameter(help="Largest number of SIMs.", validator=AT_LEAST_ONE)
    ] = None,
    output: Output = "table",
) -> None:
    """List SIMs; JSON and CSV have all fields.

    Example: asyncsim sims list --status new --limit 20 -o csv > new.csv
    """
    filters = changes_of(product, status=status, fleet=fleet, rate_plan=rate_plan)
    if iccid is not None:
        filters["iccid"] = iccid
    async with log_in(vendor) as client:
        await _print(sims_of(client, product), filters, product, limit, output)


async def _print(
    account: Sims,
    filters: Mapping[str, str | None],
    product: str,
    limit: int | None,
    output: Format,
) -> None:
    rows = printer(output, fields_of(product), _IN_A_TABLE)
    left, unread = limit, 0
    async for page in account.list(**filters, page_size=min(_PAGE, limit or _PAGE)).pages():
        for bad in page.bad:
            say(printable(str(bad.error)))
        unread += len(page.bad)
        for sim in page.items[:left]:
            rows.row(row_of(sim))
        left = None if left is None else left - len(page.items)
        if left is not None and left <= 0:
            break
    rows.close()
    if unread:
        lacks = "1 SIM was" if unread == 1 else f"{unread:,} SIMs were"
        text = f"{lacks} left out of this list: the record cannot be read"
        raise CommandError(text, Exit.FAILED)


def _print_one(output: Format, sim: Sim) -> None:
    row = row_of(sim)
    if output == "table":
        row = {name: value for name, value in row.items() if name not in _TOO_WIDE}
    print_one(output, row)


@sims.command
async def get(
    name: Name,
    /,
    *,
    product: Product = "supersim",
    vendor: Vendor = None,
    output: Output = "table",
) -> None:
    """Show one SIM; JSON and CSV have all fields.

    Example: asyncsim sims get 89883070000012345678
    """
    check_product(product, name)
    async with log_in(vendor) as client:
        _print_one(output, await find_one(sims_of(client, product), name))


@sims.command
async def update(
    name: Name,
    /,
    *,
    product: Product = "supersim",
    vendor: Vendor = None,
    status: Annotated[str | None, Parameter(help="Target status.")] = None,
    fleet: Fleet = None,
    rate_plan: RatePlan = None,
    unique_name: Annotated[str | None, Parameter(help="New unique name.")] = None,
    clear: Clear = None,
    wait: Annotated[bool, Parameter(help="Wait until the SIM has settled.", negative="")] = False,
    timeout: Timeout = None,
    confirm: Confirm = None,
    output: Output = "table",
) -> None:
    """Update one SIM; shows it as in the response or, with --wait, in its final status.

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
    check_product(product, name)
    check_status(product, status)
    check_confirmed(status, confirm)
    async with log_in(vendor) as client:
        account = sims_of(client, product)
        sid = await _sid_or_name(account, name)
        changed = await _change(account, sid, changes, timeout, wait=wait)
        try:
            _print_one(output, changed)
            sys.stdout.flush()
        except ReaderLeft:
            raise
        except OutputLost as lost:
            raise CommandError(f"the change was sent, but {lost}", lost.code) from None


async def _sid_or_name(account: Sims, name: str) -> str:
    """Return a name that may be in a path; an ICCID may not."""
    return (await find_one(account, name)).sid if looks_like_iccid(name) else name


async def _change(
    account: Sims, sid: str, changes: Mapping[str, str | None], timeout: float | None, *, wait: bool
) -> Sim:
    if not wait:
        return await account.update(sid, **changes)
    say(f"updating {sid} and waiting until it has settled")
    return await account.update_and_wait(sid, timeout=timeout, **changes)


@sims.command
async def wait(
    name: Name,
    /,
    *,
    product: Product = "supersim",
    vendor: Vendor = None,
    until: Annotated[str | None, Parameter(help="Status to wait for.")] = None,
    timeout: Timeout = None,
    output: Output = "table",
) -> None:
    """Wait until one SIM has settled, or has reached a status.

    Example: asyncsim sims wait my-sim --until active --timeout 300
    """
    check_product(product, name)
    async with log_in(vendor) as client:
        account = sims_of(client, product)
        sid = await _sid_or_name(account, name)
        say(f"waiting for {sid} to be {until or 'settled'}")
        settled = await account.await_transition(sid, until=until, timeout=timeout)
        _print_one(output, settled)

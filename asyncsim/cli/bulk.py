"""`asyncsim bulk`: jobs over all SIMs that a file names, one command for each kind."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Group, Parameter

from asyncsim.cli.accounts import changes_of
from asyncsim.cli.exits import Exit
from asyncsim.cli.files import Input, run_file
from asyncsim.cli.joboptions import DEFAULTS, Columns, DryRun, File, Journal, RunOptions
from asyncsim.cli.options import Clear, Product, Vendor

bulk = App(name="bulk", help="Jobs over all SIMs that a file names.", help_format="plaintext")

_CHANGE = Group("Change (else: the columns of the file)", sort_key=1)
_Text = Annotated[str | None, Parameter(group=_CHANGE, show_default=False)]


@bulk.command
async def change(
    file: File,
    /,
    *,
    product: Product = "supersim",
    vendor: Vendor = None,
    status: Annotated[_Text, Parameter(help="Status to move to.")] = None,
    fleet: Annotated[_Text, Parameter(help="Fleet (Super SIM).")] = None,
    rate_plan: Annotated[_Text, Parameter(help="Rate plan (Wireless).")] = None,
    friendly_name: Annotated[_Text, Parameter(help="Description (Wireless).")] = None,
    account: Annotated[_Text, Parameter(help="SID of the account to move to.")] = None,
    clear: Annotated[Clear, Parameter(group=_CHANGE)] = None,
    columns: Annotated[Columns, Parameter(group=_CHANGE)] = None,
    journal: Journal = None,
    dry_run: DryRun = False,
    options: RunOptions = DEFAULTS,
) -> Exit:
    """Change status, Fleet, rate plan, names or account of a file's SIMs.

    Example: asyncsim bulk change moves.csv --columns fleet --status active
    """
    asked = changes_of(
        product,
        status=status,
        fleet=fleet,
        rate_plan=rate_plan,
        friendly_name=friendly_name,
        account_sid=account,
        clear=clear,
    )
    given = Input(file=file, product=product, change=asked, columns=columns)
    return await run_file(given, vendor, journal, options, dry_run=dry_run)


@bulk.command
async def register(
    file: File,
    /,
    *,
    vendor: Vendor = None,
    registration_code: Annotated[_Text, Parameter(help="One code for all.")] = None,
    journal: Journal = None,
    dry_run: DryRun = False,
    options: RunOptions = DEFAULTS,
) -> Exit:
    """Add Super SIMs to the account, by iccid and registration_code.

    Example: asyncsim bulk register cards.csv
    """
    asked = {} if registration_code is None else {"registration_code": registration_code}
    given = Input(file=file, product="supersim", action="register", change=asked)
    return await run_file(given, vendor, journal, options, dry_run=dry_run)


@bulk.command
async def delete(
    file: File,
    /,
    *,
    vendor: Vendor = None,
    journal: Journal = None,
    dry_run: DryRun = False,
    options: RunOptions = DEFAULTS,
) -> Exit:
    """Delete the Wireless SIMs of a file, for ever.

    Example: asyncsim bulk delete scrapped.csv --dry-run
    """
    given = Input(file=file, product="wireless", action="delete")
    return await run_file(given, vendor, journal, options, dry_run=dry_run)


@bulk.command
async def reset(
    file: File,
    /,
    *,
    vendor: Vendor = None,
    journal: Journal = None,
    dry_run: DryRun = False,
    options: RunOptions = DEFAULTS,
) -> Exit:
    """Start a connectivity reset of the Wireless SIMs of a file.

    Example: asyncsim bulk reset silent.csv --max-rps 5
    """
    given = Input(file=file, product="wireless", change={"reset_status": "resetting"})
    return await run_file(given, vendor, journal, options, dry_run=dry_run)


@bulk.command
async def send(
    file: File,
    /,
    *,
    product: Product = "supersim",
    vendor: Vendor = None,
    payload: Annotated[_Text, Parameter(help="Text of the Command.")] = None,
    columns: Annotated[Columns, Parameter(group=_CHANGE)] = None,
    journal: Journal = None,
    dry_run: DryRun = False,
    options: RunOptions = DEFAULTS,
) -> Exit:
    """Send an SMS Command to the SIMs of a file; never twice to one.

    Example: asyncsim bulk send fleet.csv --payload "report"
    """
    keyword = "command" if product == "wireless" else "payload"
    asked = {} if payload is None else {keyword: payload}
    given = Input(file=file, product=product, action="send", change=asked, columns=columns)
    return await run_file(given, vendor, journal, options, dry_run=dry_run)

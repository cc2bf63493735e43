"""`asyncsim activate`: the short way to change the status of all SIMs that a file names."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from asyncsim.cli.accounts import changes_of
from asyncsim.cli.exits import Exit
from asyncsim.cli.files import Input, run_file
from asyncsim.cli.joboptions import DEFAULTS, DryRun, File, Journal, RunOptions
from asyncsim.cli.options import Clear, Fleet, Product, RatePlan, Vendor


async def activate(
    file: File,
    /,
    *,
    product: Product = "supersim",
    vendor: Vendor = None,
    status: Annotated[str, Parameter(help="Status to move to.")] = "active",
    fleet: Fleet = None,
    rate_plan: RatePlan = None,
    clear: Clear = None,
    journal: Journal = None,
    dry_run: DryRun = False,
    options: RunOptions = DEFAULTS,
) -> Exit:
    """Activate the SIMs of a file; run it again to go on.

    Example: asyncsim activate batch.csv --fleet my-fleet
    """
    asked = changes_of(product, status=status, fleet=fleet, rate_plan=rate_plan, clear=clear)
    given = Input(file=file, product=product, change=asked)
    return await run_file(given, vendor, journal, options, dry_run=dry_run)

"""`asyncsim doctor`: what keeps an account from working from this machine, and what to do."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

from attrs import asdict
from cyclopts import Parameter

from asyncsim import Client
from asyncsim.checks import Check, examine, examine_callbacks
from asyncsim.cli.accounts import log_in, masked, profile_in_use
from asyncsim.cli.common_options import common_options
from asyncsim.cli.exits import CommandError, Exit
from asyncsim.cli.options import Vendor, check_listen, split_listen
from asyncsim.cli.output import data_stream, printable, show_table, until_reader_leaves
from asyncsim.cli.probes import PROBE_SETTINGS

if TYPE_CHECKING:
    from rich.table import Table

_EXITS = {
    "setup": Exit.USAGE,
    "network": Exit.FAILED,
    "clock": Exit.FAILED,
    "credentials": Exit.CREDENTIALS,
}
_STYLES = {"ok": "green", "warning": "yellow", "failed": "bold red"}


async def doctor(
    *,
    vendor: Vendor = None,
    listen: Annotated[
        str | None, Parameter(help="[HOST:]PORT for a callback.", show_default=False)
    ] = None,
    public_url: Annotated[
        str | None, Parameter(help="URL at which vendors reach --listen.", show_default=False)
    ] = None,
    output: Annotated[
        Literal["table", "json"], Parameter(name=["--output", "-o"], help="Format on stdout.")
    ] = "table",
) -> Exit:
    """Check the account, the network and callbacks from this machine.

    Example: asyncsim doctor --listen 8080 --public-url https://sims.example.com/hooks
    """
    check_listen(listen, public_url)
    try:
        client = log_in(vendor, **PROBE_SETTINGS)
    except CommandError as error:
        if error.code is not Exit.CREDENTIALS:
            raise
        failed = Check(
            name="account",
            status="failed",
            found=str(error),
            advice="asyncsim auth status shows what is known",
            kind="credentials",
        )
        return _print([failed], output)
    async with client:
        checks = [_account(client), _trust(), *[check async for check in examine(client)]]
        if listen is not None:
            host, port = split_listen(listen)
            checks.append(await examine_callbacks(client, public_url, host, port))
    return _print(checks, output)


def _account(client: Client) -> Check:
    profile = profile_in_use(client.vendor.name)
    source = "the environment" if profile is None else f"profile {profile.name}"
    found = f"{client.vendor.title} {masked(client.context.account)}, from {source}"
    return Check(name="account", status="ok", found=found)


def _trust() -> Check:
    """Say whose certificates are trusted."""
    name = common_options().trusted
    return Check(name="certificates", status="ok", found=f"trusted: {name}")


def _print(checks: Sequence[Check], output: str) -> Exit:
    failed = [check for check in checks if check.status == "failed"]
    with until_reader_leaves():
        if output == "json":
            text = json.dumps([asdict(check) for check in checks], indent=2, ensure_ascii=False)
            data_stream().write(text + "\n")
        else:
            show_table(_table(checks))
    return _EXITS[failed[0].kind] if failed else Exit.OK


def _table(checks: Sequence[Check]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 1), pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for check in checks:
        advice = f"\nDo: {check.advice}" if check.advice else ""
        mark = Text(check.status, style=_STYLES[check.status])
        table.add_row(mark, Text(check.name), Text(printable(check.found) + advice))
    return table

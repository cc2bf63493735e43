"""`asyncsim activate`: change all SIMs that a file names, and tell how each one ended."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from asyncsim import CallbackReceiver, Client, Outcome
from asyncsim.cli import batch, lookup, terminal
from asyncsim.cli.accounts import (
    Sim,
    changes_of,
    check_confirmed,
    check_status,
    check_targets,
    log_in,
    sims_of,
)
from asyncsim.cli.exits import CommandError, Exit
from asyncsim.cli.options import (
    AT_LEAST_ONE,
    Confirm,
    Fleet,
    Output,
    Product,
    RatePlan,
    Timeout,
    Vendor,
)
from asyncsim.cli.output import Format, printer
from asyncsim.cli.progress import progress
from asyncsim.cli.report import grid, report, tell_failures, tell_unfinished
from asyncsim.cli.runs import Run, run
from asyncsim.observers import Tally

COLUMNS = (
    "sid",
    "iccid",
    "unique_name",
    "status",
    "result",
    "settled_by",
    "requests",
    "seconds",
    "error",
)
_IN_A_TABLE = ("sid", "iccid", "status", "result")


async def activate(
    file: Annotated[Path, Parameter(help="CSV with a column sid, iccid or unique_name.")],
    /,
    *,
    product: Product = "supersim",
    vendor: Vendor = None,
    status: Annotated[str, Parameter(help="Status to move to.")] = "active",
    fleet: Fleet = None,
    rate_plan: RatePlan = None,
    timeout: Timeout = None,
    window: Annotated[
        int, Parameter(help="SIMs under way at once.", validator=AT_LEAST_ONE)
    ] = 1000,
    listen: Annotated[
        str | None, Parameter(help="[HOST:]PORT for callbacks; else asks only.")
    ] = None,
    public_url: Annotated[str | None, Parameter(help="Where vendors reach --listen.")] = None,
    confirm: Confirm = None,
    output: Output = "table",
) -> Exit:
    """Activate the SIMs of a file (or a bare list of ICCIDs) and tell how each one ended.

    Results go to stdout in the file's order, progress and report to stderr.

    Example: asyncsim activate batch.csv --fleet my-fleet -o csv > results.csv
    """
    entries = batch.read(file)
    for entry in entries:
        lookup.check_product(product, entry.name)
    changes = changes_of(product, status=status, fleet=fleet, rate_plan=rate_plan)
    check_status(product, status)
    check_confirmed(status, len(entries), confirm)
    tally = Tally()
    receiver = _receiver(listen, public_url)
    async with log_in(vendor, receiver=receiver, observers=[tally]) as client:
        found = await lookup.resolve(sims_of(client, product), entries)
        await check_targets(client, changes)
        ended = await _send(client, product, dict.fromkeys(found, changes), window, timeout)
    _print(found, ended, output)
    tell_failures(ended)
    if ended.interrupted:
        tell_unfinished(ended.unfinished)
        terminal.say("stopped; the same command, run again, goes on with what is left")
    terminal.stderr().print(grid(report(ended, tally)))
    return ended.exit_code


async def _send(
    client: Client,
    product: str,
    changes: Mapping[str, Mapping[str, str]],
    window: int,
    timeout: float | None,
) -> Run:
    with progress("settled", len(changes)) as shown:
        return await run(sims_of(client, product), changes, shown, window=window, timeout=timeout)


def _receiver(listen: str | None, public_url: str | None) -> CallbackReceiver | None:
    if listen is None:
        if public_url is not None:
            raise CommandError("--public-url needs --listen: the port to which it leads")
        return None
    if public_url is None and not os.environ.get("ASYNCSIM_EMULATOR"):
        raise CommandError("--listen needs --public-url: vendors cannot reach this machine's name")
    host, _, port = listen.rpartition(":")
    if not port.isdecimal():
        raise CommandError(f"--listen {listen}: give PORT or HOST:PORT")
    # From the environment: what is on a command line, every user of the machine can read.
    secret = os.environ.get("ASYNCSIM_KORE_WEBHOOK_SECRET")
    secrets = [secret] if secret else []
    own = host.strip("[]") or "127.0.0.1"
    return CallbackReceiver(public_url, host=own, port=int(port), kore_webhook_secrets=secrets)


def _print(found: Mapping[str, Sim], ended: Run, output: Format) -> None:
    rows = printer(output, COLUMNS, _IN_A_TABLE)
    for sid, sim in found.items():
        rows.row(_row(sim, ended.outcomes.get(sid), sent=sid in ended.unfinished))
    rows.close()


def _row(before: Sim, outcome: Outcome[Sim] | None, *, sent: bool) -> dict[str, Any]:
    names = {"sid": before.sid, "iccid": before.iccid, "unique_name": before.unique_name}
    if outcome is None:
        return {**names, "result": "unfinished" if sent else "not sent"}
    return {
        **names,
        "status": outcome.sim.status if outcome.sim else None,
        "result": _result(outcome),
        "settled_by": outcome.settled_by,
        "requests": outcome.requests,
        "seconds": round(outcome.seconds, 3),
        "error": None if outcome.ok else str(outcome.error),
    }


def _result(outcome: Outcome[Sim]) -> str:
    if outcome.ok:
        return "done"
    return "timed out" if isinstance(outcome.error, TimeoutError) else "failed"

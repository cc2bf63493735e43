"""`asyncsim demo`: activate SIMs of an emulator."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from rich.text import Text

from asyncsim import CallbackReceiver, Client
from asyncsim.bulk import Job, Journal, Report
from asyncsim.bulk.records import SUCCEEDED
from asyncsim.cli.accounts import VendorName, sims_of
from asyncsim.cli.exits import Exit
from asyncsim.cli.options import AT_LEAST_ONE, DEFAULTS, NO_FAULTS, FaultOptions, Output, Product
from asyncsim.cli.output import Format, print_one, say, show_rows, until_reader_leaves
from asyncsim.cli.reports import render_report, report_exit_code
from asyncsim.cli.run import JobCommand, run_displayed
from asyncsim.emulator import Emulator


async def demo(
    *,
    sims: Annotated[int, Parameter(help="Number of SIMs.", validator=AT_LEAST_ONE)] = 1000,
    product: Product = "supersim",
    vendor: Annotated[VendorName, Parameter(help="Whose API.")] = "twilio",
    seed: Annotated[int, Parameter(help="The same seed gives the same SIMs and latencies.")] = 7,
    speed: Annotated[float, Parameter(help="Times as fast as the vendors.")] = 40.0,
    callbacks: Annotated[bool, Parameter(help="Listen for callbacks, or poll.")] = True,
    output: Output = "table",
    faults: FaultOptions = NO_FAULTS,
) -> Exit:
    """Activate SIMs of an emulator in this process: no account, no network.

    Example: asyncsim demo --sims 200 --lose-callbacks 0.3
    """
    async with Emulator(sims=sims, seed=seed, speed=speed, faults=faults.faults(seed)) as emulator:
        path = _write_csv(emulator, vendor, product)
        say(f"{sims:,} new SIMs in an emulator at {emulator.url}; their ICCIDs: {path}")
        job = Job.from_csv(path, product=product, change={"status": "active"})
        run = JobCommand(job=job, vendor=vendor, options=DEFAULTS)
        async with Journal.open(path.with_suffix(".db")) as journal:
            secrets = [journal.ticket_secret]
            receiver = CallbackReceiver(ticket_secrets=secrets) if callbacks else None
            async with emulator.client(
                vendor, receiver=receiver, observers=run.observers
            ) as client:
                report = await run_displayed(run, client, journal)
                active = await _count_active(client, product)
    _show(report, run, active, output)
    reported = sum(report.states.get(state, 0) for state in SUCCEEDED)
    return report_exit_code(report) or Exit(active < reported)


def _write_csv(emulator: Emulator, vendor: str, product: str) -> Path:
    """Write the input file, as a customer would have it; it is kept for inspection."""
    path = Path(tempfile.mkdtemp(prefix="asyncsim-demo-")) / "sims.csv"
    iccids = [sim.iccid for sim in emulator.world(vendor).sims(product).values()]
    path.write_text("\n".join(["iccid", *iccids, ""]), encoding="utf-8")
    return path


async def _count_active(client: Client, product: str) -> int:
    """Count by a final list scan, which checks the report."""
    listed = sims_of(client, product).list(page_size=1000)
    return sum([sim.status == "active" async for sim in listed])


def _show(report: Report, run: JobCommand, active: int, output: Format) -> None:
    counted = {"refused_429": run.tally.limited, "sent_again": run.tally.retried}
    data: dict[str, Any] = {**report.summary(), **counted, "verified_active": active}
    with until_reader_leaves():
        if output == "json":
            print_one(output, data)
        elif output == "csv":
            print_one(output, _flat(data))
        else:
            rows = render_report(report, run.tally)
            show_rows([*rows, ("verified active", Text(f"{active:,}"))])


def _flat(data: Mapping[str, Any]) -> dict[str, Any]:
    """Counts as separate columns: `settled_by_callback`."""
    flat: dict[str, Any] = {}
    for name, value in data.items():
        parts = value.items() if isinstance(value, dict) else ((None, value),)
        flat.update({f"{name}_{part}" if part else name: each for part, each in parts})
    return flat

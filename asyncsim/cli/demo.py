"""`asyncsim demo`: activate SIMs against the emulator and see how that goes."""

from __future__ import annotations

import tempfile
from collections.abc import Collection
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from asyncsim import CallbackReceiver, Watching
from asyncsim.cli import batch, lookup, terminal
from asyncsim.cli.accounts import Sims, VendorName, sims_of
from asyncsim.cli.exits import Exit
from asyncsim.cli.options import AT_LEAST_ONE, NO_FAULTS, FaultOptions, Output, Product
from asyncsim.cli.output import Format
from asyncsim.cli.progress import progress
from asyncsim.cli.report import report, show, tell_failures, tell_unfinished
from asyncsim.cli.runs import run
from asyncsim.emulator import Emulator
from asyncsim.observers import Tally

# A demonstration runs 40 times faster than life, so callbacks that are lost should not hold it
# up for the usual 15 s either.

_WATCHING = Watching(safety_every=3.0, sweep_every=1.0)


async def demo(
    *,
    sims: Annotated[int, Parameter(help="How many SIMs.", validator=AT_LEAST_ONE)] = 1000,
    product: Product = "supersim",
    vendor: Annotated[VendorName, Parameter(help="Whose API.")] = "twilio",
    seed: Annotated[int, Parameter(help="The same seed, the same SIMs and latencies.")] = 7,
    speed: Annotated[float, Parameter(help="Times faster than the vendors.")] = 40.0,
    callbacks: Annotated[bool, Parameter(help="Listen for callbacks, or ask only.")] = True,
    output: Output = "table",
    faults: FaultOptions = NO_FAULTS,
) -> Exit:
    """Activate SIMs against an emulator in this process: no account, no network.

    Example: asyncsim demo --sims 200 --lose-callbacks 0.3
    """
    tally = Tally()
    async with Emulator(sims=sims, seed=seed, speed=speed, faults=faults.faults(seed)) as emulator:
        path = _write(emulator, vendor, product)
        terminal.say(f"{sims:,} new SIMs in an emulator at {emulator.url}; their ICCIDs: {path}")
        receiver = _receiver(emulator) if callbacks else None
        client = emulator.client(vendor, receiver=receiver, observers=[tally], watching=_WATCHING)
        async with client:
            return await _activate(sims_of(client, product), path, tally, output)


def _write(emulator: Emulator, vendor: str, product: str) -> Path:
    """Write the file that a customer would have; it is left there to be looked at."""
    path = Path(tempfile.mkdtemp(prefix="asyncsim-demo-")) / "sims.csv"
    iccids = [sim.iccid for sim in emulator.world(vendor).sims(product).values()]
    path.write_text("\n".join(["iccid", *iccids, ""]), encoding="utf-8")
    return path


def _receiver(emulator: Emulator) -> CallbackReceiver:
    return CallbackReceiver(kore_webhook_secrets=[emulator.credentials.webhook_secret])


async def _activate(sims: Sims, path: Path, tally: Tally, output: Format) -> Exit:
    found = await lookup.resolve(sims, batch.read(path))
    with progress("activating", len(found)) as shown:
        ended = await run(sims, {sid: {"status": "active"} for sid in found}, shown)
    lines = report(ended, tally)
    if ended.interrupted:
        tell_unfinished(ended.unfinished)
    else:
        lines["verified_active"] = await _count_active(sims, found)
    tell_failures(ended)
    show(lines, output)
    believed = len(ended.outcomes) - len(ended.failures)
    return ended.exit_code or Exit(lines["verified_active"] < believed)


async def _count_active(sims: Sims, wanted: Collection[str]) -> int:
    """Walk the list once more and count, because nobody should have to believe us."""
    active = 0
    async for sim in sims.list(page_size=1000):
        active += sim.sid in wanted and sim.status == "active"
    return active

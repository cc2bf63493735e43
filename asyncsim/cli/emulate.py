"""`asyncsim emulate`: an emulator for other processes."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from asyncsim.cli.exits import Exit
from asyncsim.cli.options import NO_FAULTS, FaultOptions
from asyncsim.cli.signals import ended_by_interrupt
from asyncsim.cli.streams import OutputLost
from asyncsim.emulator import Emulator


async def emulate(
    *,
    host: Annotated[str, Parameter(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, Parameter(help="Port; 0 takes a free one.")] = 8900,
    sims: Annotated[int, Parameter(help="SIMs of each product at each vendor.")] = 1000,
    state: Annotated[
        Path | None, Parameter(help="SQLite file that keeps everything.", show_default=False)
    ] = None,
    speed: Annotated[float, Parameter(help="Times as fast as the vendors.")] = 1.0,
    seed: Annotated[int, Parameter(help="The same seed gives the same SIMs and latencies.")] = 0,
    allow_host: Annotated[
        list[str] | None,
        Parameter(
            help="Another name that requests may use for this machine, such as a container's;"
            " repeatable.",
            show_default=False,
            negative=(),
        ),
    ] = None,
    faults: FaultOptions = NO_FAULTS,
) -> Exit:
    """Serve the SIM APIs of both vendors on this machine until Ctrl-C.

    Example: asyncsim emulate --sims 500 --speed 20 --state emulator.db
    """
    emulator = Emulator(
        sims=sims,
        host=host,
        port=port,
        speed=speed,
        seed=seed,
        state=state,
        allowed_hosts=allow_host or (),
        faults=faults.faults(seed),
    )
    async with emulator:
        with contextlib.suppress(OutputLost):  # it serves even if its output is not read
            sys.stdout.write(_welcome(emulator))
            sys.stdout.flush()  # in a pipe, too, where a script waits for these lines
        with ended_by_interrupt():
            await asyncio.Event().wait()
    return Exit.OK


def _welcome(emulator: Emulator) -> str:
    own = emulator.credentials
    twilio, kore = emulator.hosts_of("twilio"), emulator.hosts_of("kore")
    lines = [
        f"Twilio: {twilio.wireless}",
        f"        {twilio.supersim}",
        f"        account SID {own.account_sid}, auth token {own.auth_token}",
        f"        API key {own.api_key}, secret {own.api_secret}",
        f"KORE:   {kore.wireless}",
        f"        {kore.supersim}",
        f"        token endpoint {kore.token}",
        f"        client id {own.client_id}, secret {own.client_secret}",
        f"        webhook secret {own.webhook_secret}",
        "",
        "For asyncsim in another terminal:",
        f"export ASYNCSIM_EMULATOR={emulator.url}",
        *([f"export ASYNCSIM_EMULATOR_SPEED={emulator.speed:g}"] if emulator.speed != 1 else []),
        "",
        "Press Ctrl-C to stop.",
    ]
    return "\n".join(lines) + "\n"

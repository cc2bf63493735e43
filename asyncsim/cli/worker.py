"""`asyncsim worker`: runs the jobs of a shared journal until a signal."""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack
from functools import partial
from typing import Annotated

from cyclopts import Parameter

import asyncsim
from asyncsim import CallbackReceiver, Client, bulk
from asyncsim.bulk.journal.privileges import check_usable
from asyncsim.cli.accounts import log_in_to_all, masked
from asyncsim.cli.exits import Exit
from asyncsim.cli.health import TakenChunks, health_port
from asyncsim.cli.journals import shared_journal
from asyncsim.cli.options import (
    AT_LEAST_ONE,
    Concurrency,
    Dispatch,
    MaxRps,
    SharedJournal,
    check_address,
    throttle,
)
from asyncsim.cli.output import printable, say
from asyncsim.cli.signals import on_first_interrupt
from asyncsim.postgres.url import PostgresUrl

_SURVIVED = ("poll_jobs_to_abort_error", "side_task_failed")
_STOPPING = (
    "stopping: requests in flight finish, then other workers take over the chunks; press Ctrl-C"
    " again to cancel"
)


async def worker(
    *,
    journal: SharedJournal = None,
    chunks: Annotated[int, Parameter(help="Concurrent chunks.", validator=AT_LEAST_ONE)] = 4,
    concurrency: Concurrency = None,
    max_rps: MaxRps = None,
    dispatch: Dispatch = "procrastinate",
    public_url: Annotated[
        str | None,
        Parameter(
            help="URL at which vendors reach the receivers; default: poll.", show_default=False
        ),
    ] = None,
    health: Annotated[
        str | None, Parameter(help="[HOST:]PORT for health probes.", show_default=False)
    ] = None,
) -> Exit:
    """Run the jobs of a shared journal, for all profiles, until Ctrl-C or SIGTERM.

    Example: asyncsim worker --journal postgresql://db.example.com/asyncsim
    """
    url = shared_journal(journal)
    if health is not None:  # before anything else is done
        check_address("--health", health)
    receiver = None
    if public_url is not None:
        receiver = CallbackReceiver(public_url, port=None, bus=asyncsim.PostgresBus(url))
    await check_usable(url)  # an unusable one is reported first
    logging.getLogger("procrastinate.worker").addFilter(_in_one_line)
    stop = asyncio.Event()

    def begin_stop() -> None:
        say(_STOPPING)
        stop.set()

    clients = log_in_to_all(partial(throttle, concurrency, max_rps), receiver=receiver)
    async with AsyncExitStack() as stack:
        for client in clients:
            await stack.enter_async_context(client)
        taken = TakenChunks()
        await stack.enter_async_context(health_port(health, taken.state))
        shown = PostgresUrl.parse(url).shown
        say(printable(f"working for {_accounts(clients)} on {shown}; press Ctrl-C to stop"))
        with on_first_interrupt(begin_stop):
            await bulk.work(
                url,
                clients,
                dispatch=dispatch,
                chunks_at_once=chunks,
                stop=stop,
                observers=[taken],
            )
    return Exit.OK


def _in_one_line(record: logging.LogRecord) -> bool:
    """Drop the traceback from procrastinate's reports of outages, which it survives."""
    error = record.exc_info[1] if record.exc_info else None
    # Raised while the database cannot be reached, or while a worker stops because of that.
    outage = type(error).__name__ == "ConnectorException"
    if error is not None and (outage or getattr(record, "action", None) in _SURVIVED):
        record.msg = f"{record.getMessage()}: {error.__cause__ or error}"
        record.args = record.exc_info = record.exc_text = None
    return True


def _accounts(clients: list[Client]) -> str:
    return ", ".join(f"{one.vendor.name} {masked(one.context.account)}" for one in clients)

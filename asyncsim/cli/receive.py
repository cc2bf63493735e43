"""`asyncsim receive`: receives callbacks for workers and services in other processes."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Annotated

from cyclopts import Parameter

from asyncsim import CallbackReceiver, Client, PostgresBus, ReceiverError
from asyncsim.bulk.alive import shown_alive
from asyncsim.bulk.clients import by_account
from asyncsim.cli.accounts import log_in_to_all
from asyncsim.cli.exits import CommandError, Exit
from asyncsim.cli.journals import shared_journal
from asyncsim.cli.options import SharedJournal, check_address, split_listen
from asyncsim.cli.output import say
from asyncsim.cli.signals import ended_by_interrupt
from asyncsim.events import CallbackRefused, Event
from asyncsim.postgres.job_tickets import following_job_tickets

_REREAD_EVERY = 10.0  # seconds between two reads of the profiles, after a wrong signature


async def receive(
    *,
    journal: SharedJournal = None,
    listen: Annotated[str, Parameter(help="[HOST:]PORT to listen on.")] = "8080",
    public_url: Annotated[
        str | None, Parameter(help="URL at which vendors call.", show_default=False)
    ] = None,
) -> Exit:
    """Receive callbacks for the processes that share a journal, until Ctrl-C or SIGTERM.

    Example: asyncsim receive --journal postgresql://db.example/sims --public-url https://x.example
    """
    url = shared_journal(journal)
    if public_url is None and not os.environ.get("ASYNCSIM_EMULATOR"):
        raise CommandError(
            "--public-url is missing: pass the URL at which the vendors reach --listen"
        )
    check_address("--listen", listen)
    host, port = split_listen(listen)
    signatures = WrongSignatures()
    bus = PostgresBus(url)
    receiver = CallbackReceiver(public_url, host=host, port=port, bus=bus, observers=[signatures])
    clients = log_in_to_all(receiver=receiver)
    async with AsyncExitStack() as stack:
        # Before the port is open: a callback that is rejected may never come again.
        await stack.enter_async_context(following_job_tickets(url, receiver.verify_tickets_of))
        try:
            for client in clients:  # the first one opens the port
                await stack.enter_async_context(client)
        except ReceiverError as error:
            raise CommandError(f"--listen {listen}: {error}") from error
        await stack.enter_async_context(shown_alive(url, "receiver", by_account(clients)))
        accounts = f"{len(clients)} account{'' if len(clients) == 1 else 's'}"
        say(f"receiving callbacks of {accounts} on {host}:{receiver.port}; press Ctrl-C to stop")
        with ended_by_interrupt():
            await signatures.reread_profiles(clients)
    counts = receiver.counts
    say(
        f"stopped: {counts.accepted:,} accepted ({counts.duplicates:,} duplicates),"
        f" {counts.refused:,} rejected"
    )
    return Exit.OK


class WrongSignatures:
    """Notices callbacks with a valid ticket but a wrong signature: a secret was rotated."""

    def __init__(self) -> None:
        self._noticed = asyncio.Event()

    def __call__(self, event: Event) -> None:
        """Observe an event of the receiver."""
        # Only a valid ticket leads here, so strangers cannot make us reread profiles.
        if isinstance(event, CallbackRefused) and event.reason.startswith("the signature"):
            self._noticed.set()

    async def reread_profiles(self, clients: Sequence[Client]) -> None:
        """Reread the profiles each time that a secret seems to have been rotated."""
        while True:
            await self._noticed.wait()
            for client in clients:
                reread = client.context.reread_credentials
                given = None if reread is None else await reread()
                if given is not None:
                    client.rotate(**given)
            await asyncio.sleep(_REREAD_EVERY)
            self._noticed.clear()

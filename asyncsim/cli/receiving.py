"""The receiver of `--listen`."""

from __future__ import annotations

import os

from asyncsim import CallbackReceiver
from asyncsim.cli.exits import CommandError

_HIGHEST = 65_535


def check_listen(listen: str | None, public_url: str | None) -> None:
    """Refuse a listener that could not work, before anything else is done."""
    if listen is None:
        if public_url is not None:
            raise CommandError("--public-url needs --listen: the port to which it leads")
        return
    if public_url is None and not os.environ.get("ASYNCSIM_EMULATOR"):
        raise CommandError("--listen needs --public-url: vendors cannot reach this machine's name")
    port = listen.rpartition(":")[2]
    if not (port.isascii() and port.isdecimal() and int(port) <= _HIGHEST):
        raise CommandError(f"--listen {listen}: give PORT or HOST:PORT, a port of 0 to {_HIGHEST}")


def receiver(
    listen: str | None, public_url: str | None, ticket_secret: str
) -> CallbackReceiver | None:
    """Make the receiver; the job's own secret lets a later run know the callbacks of this one."""
    if listen is None:
        return None
    host, _, port = listen.rpartition(":")
    return CallbackReceiver(
        public_url,
        host=host.strip("[]") or "127.0.0.1",
        port=int(port),
        ticket_secrets=[ticket_secret],
    )

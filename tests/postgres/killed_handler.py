"""A process that kills itself while it handles a Command from a device.

Arguments: the database, the public URL, and the seconds for which it has the Command.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys

from asyncsim import CallbackReceiver, PostgresBus
from asyncsim.vendors import KORE
from tests.callbacks.conftest import register


async def main() -> None:
    """Take the first Command."""
    url, public_url, seconds = sys.argv[1:]
    bus = PostgresBus(url, handle_within=float(seconds))
    async with CallbackReceiver(public_url, port=None, bus=bus) as receiver:
        register(receiver, KORE)
        async for _ in receiver.commands():
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    asyncio.run(main())

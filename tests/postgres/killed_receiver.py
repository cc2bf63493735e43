"""A receiver that kills itself once a callback is durable, before it has responded.

Arguments: the database, the public URL. It prints its port.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys

from asyncsim import CallbackReceiver, PostgresBus
from asyncsim.postgres.inbox_writer import InboxWriter
from asyncsim.vendors import KORE
from tests.callbacks.conftest import register


def _die(_: InboxWriter) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


async def main() -> None:
    """Serve until the first callback."""
    url, public_url = sys.argv[1:]
    InboxWriter._succeeded = _die  # type: ignore[assignment,method-assign]  # called after the commit
    async with CallbackReceiver(public_url, bus=PostgresBus(url)) as receiver:
        register(receiver, KORE)
        print(receiver.port, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())

"""Monitor."""

from __future__ import annotations

from asyncsim.context import ClientContext
from asyncsim.resources.monitor.events import Events


class Monitor:
    """`client.monitor`; `Unsupported` at KORE unless `hosts.monitor` is set."""

    def __init__(self, context: ClientContext) -> None:
        self.events = Events(context)

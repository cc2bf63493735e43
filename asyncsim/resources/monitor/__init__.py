"""Monitor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asyncsim.resources.namespace import Namespace

if TYPE_CHECKING:
    from asyncsim.resources.monitor.events import Events


class Monitor(Namespace):
    """`client.monitor`; `Unsupported` at KORE unless `hosts.monitor` is set."""

    events: Events
    """The audit trail."""

"""Settings updates of Super SIMs, which the vendor sends. Sources: both supersim_v1 documents."""

from __future__ import annotations

from asyncsim.emulator.context import Resource
from asyncsim.emulator.filters import sim, status
from asyncsim.models.supersim.settings_updates import SETTINGS_UPDATES
from asyncsim.models.supersim.sims import SIMS

RESOURCE = Resource(
    kind=SETTINGS_UPDATES,
    filters={
        "sim": sim(SIMS),
        "status": status(SETTINGS_UPDATES.product, *SETTINGS_UPDATES.statuses),
    },
    is_listed_only=True,
)

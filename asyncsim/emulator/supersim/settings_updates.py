"""Settings updates of Super SIMs, which the vendor sends. Sources: both supersim_v1 documents."""

from __future__ import annotations

from asyncsim.emulator.context import StoredResource
from asyncsim.emulator.lists import reference, status
from asyncsim.models.supersim.settings_updates import SETTINGS_UPDATES
from asyncsim.models.supersim.sims import SIMS

RESOURCE = StoredResource(
    kind=SETTINGS_UPDATES,
    filters={
        "sim": reference(SIMS, "sim_sid"),
        "status": status(SETTINGS_UPDATES.product, *SETTINGS_UPDATES.statuses),
    },
    is_listed_only=True,
)

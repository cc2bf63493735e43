"""Super SIM Fleets: so far they can be fetched, to turn a name into a SID."""

from __future__ import annotations

from asyncsim.emulator.views.desk import Resource
from asyncsim.models.supersim.fleets import FLEETS

RESOURCE = Resource(kind=FLEETS)

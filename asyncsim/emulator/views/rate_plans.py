"""Programmable Wireless RatePlans: so far they can be fetched, to turn a name into a SID."""

from __future__ import annotations

from asyncsim.emulator.views.desk import Resource
from asyncsim.models.wireless.rate_plans import RATE_PLANS

RESOURCE = Resource(kind=RATE_PLANS)

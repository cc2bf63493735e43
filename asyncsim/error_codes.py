"""Error codes of the vendors that change what the client does.

Source: twilio.com/docs/api/errors; KORE uses the same codes.
"""

from __future__ import annotations

CONFLICT = frozenset({33010, 83009})
"""Another update is in progress: Programmable Wireless, and the Fleet of a Super SIM. 83010 can
mean that, too, but also an illegal transition: only a fetch of the SIM tells which."""

UNREACHABLE_OR_BUSY = frozenset({83010, 33105})
"""Super SIM "status not reachable", Programmable Wireless "transition invalid": an illegal
transition, or any transition while another one is pending."""

ALREADY_REGISTERED = 83003
"""Super SIM: this account has the SIM already, so a registration has succeeded before."""

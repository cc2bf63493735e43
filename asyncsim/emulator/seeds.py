"""What a fresh world holds: SIMs that a plain `status="active"` activates."""

from __future__ import annotations

from asyncsim.emulator.world import World

REGISTRABLE = 10
"""Cards, in a fresh world, that may still be registered."""


SETTINGS_UPDATED = 2
"""SIMs that the vendor has sent new settings to."""


def seed(world: World, sims: int) -> None:
    """Give a vendor's account its SIMs, and what they need to be activated."""
    world.add_catalogue()
    world.add_network_access_profile("default")
    fleet = world.add_fleet("default")
    world.add_fleet("other")
    plan = world.add_rate_plan("default", friendly_name="Default")
    world.add_rate_plan("other", friendly_name="Other")
    for number in range(sims):
        sim = world.add_sim("supersim", fleet_sid=fleet.sid)
        if number < SETTINGS_UPDATED:
            world.add_settings_update(sim.sid)
        world.add_sim("wireless", rate_plan_sid=plan.sid)
    for _ in range(REGISTRABLE):
        world.add_registrable()

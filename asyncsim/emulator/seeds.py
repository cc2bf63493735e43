"""What a fresh world holds: SIMs that a plain `status="active"` activates."""

from __future__ import annotations

from asyncsim.emulator.world import World

REGISTRABLE = 10
"""Cards, in a fresh world, that may still be registered."""


def seed(world: World, sims: int) -> None:
    """Give a vendor's account its SIMs, Fleets and RatePlans."""
    fleet = world.add_fleet("default")
    world.add_fleet("other")
    plan = world.add_rate_plan("default", friendly_name="Default")
    world.add_rate_plan("other", friendly_name="Other")
    for _ in range(sims):
        world.add_sim("supersim", fleet_sid=fleet.sid)
        world.add_sim("wireless", rate_plan_sid=plan.sid)
    for _ in range(REGISTRABLE):
        world.add_registrable()

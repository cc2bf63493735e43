"""What sweeps make of bad answers, of lists that leave something out, and of waits without SID."""

from __future__ import annotations

from asyncsim.clock import ManualClock
from asyncsim.errors import ConnectionFailed
from asyncsim.models.supersim.sims import Sim
from asyncsim.waiting import Watcher
from tests.waiting.conftest import World


async def test_waits_by_name_whose_first_reads_failed_are_all_read_again(
    world: World, watcher: Watcher, clock: ManualClock
) -> None:
    names = [f"depot-{number}" for number in range(5)]
    for name in names:
        world.sims[name] = Sim(sid=f"HS-{name}", status="active", date_updated=clock.utcnow())
        world.errors[name] = ConnectionFailed(f"fetch Sim {name}", "connection lost")
        wait = world.wait(name, strict=True, answered_at=clock.now())
        watcher.begin(wait)
        watcher.resume(wait)
    await clock.advance(1)
    assert world.reads == names
    world.errors.clear()
    await clock.advance(1)
    assert len(world.ended) == 5, "no list can show those of which only the name is known"

"""Many machines: workers killed and frozen, PostgreSQL restarted, a receiver killed.

Run by `nox -s machines`. ASYNCSIM_CHAOS_SEED repeats a run.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.chaos.machines import Machines
from tests.postgres.cluster import Cluster

SEED = int(os.environ.get("ASYNCSIM_CHAOS_SEED", "1"))


# "immediate" is a crash of the server, from which it recovers at its start.
@pytest.mark.parametrize(
    ("dispatch", "sims", "kills", "restart"),
    [
        ("procrastinate", 20_000, 4, "fast"),
        ("table", 4_000, 2, "immediate"),
    ],
)
async def test_a_shared_job_survives_the_loss_of_machines(
    tmp_path: Path,
    postgres_cluster: Callable[[], Cluster],
    dispatch: str,
    sims: int,
    kills: int,
    restart: str,
) -> None:
    print(f"\n{sims:,} SIMs, --dispatch {dispatch}, ASYNCSIM_CHAOS_SEED={SEED}", flush=True)
    cluster = postgres_cluster()
    machines = Machines(
        folder=tmp_path,
        url=cluster.create_database("chaos"),
        restart_database=partial(cluster.restart, restart),
        sims=sims,
        dispatch=dispatch,
        seed=SEED,
        chunk_rows=sims // 20,
    )
    async with machines.running(workers=3, receivers=2):
        await machines.disturb(kills)
        await machines.finish(patience=120.0)
        await machines.check()

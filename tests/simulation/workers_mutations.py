"""Mutations of leases and epochs: each safeguard is switched off, and a world must go wrong."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Any

from attrs import frozen
from sqlalchemy import update

from asyncsim.bulk.journal.schema import chunks, rows
from asyncsim.bulk.journal.scope import Scope
from asyncsim.bulk.lease import Moment
from asyncsim.bulk.records import State
from tests.simulation.mutations import SEEDS, Mutation
from tests.simulation.workers_scenario import FIRST_SEED, WorkersScenario, draw_workers


@frozen(kw_only=True)
class WorkersMutation(Mutation):
    """One safeguard of workers, and the worlds in which its absence can matter."""

    matters: Callable[[Any], bool]

    def seeds(self) -> Iterator[int]:
        """The seeds whose worlds can show the mutation."""
        worlds = range(FIRST_SEED, FIRST_SEED + SEEDS)
        return (seed for seed in worlds if self.matters(draw_workers(seed)))


# What takes the place of each.


def _lasts(original: Any) -> Any:
    def init(self: Any, *args: Any, **keywords: Any) -> None:
        original(self, *args, **{**keywords, "seconds": 1e6})

    return init


def _fences_nobody(original: Any) -> Any:
    async def write_as(self: Any, claim: Any, work: Any, *args: Any, **keywords: Any) -> Any:
        return await self.write(work, *args, **keywords)

    return write_as


def _counts_from_its_reply(original: Any) -> Any:
    def renewed(self: Any, began: Moment) -> None:
        original(self, Moment.now(self._clock))

    return renewed


def _reads_nothing(_: Any) -> Any:
    async def reconcile(self: Any, task: Any) -> None:
        """Take the rows of this chunk that are in doubt for rows that were never sent."""
        await self._journal.write(_forget_doubts, self._journal._scope)

    return reconcile


async def _forget_doubts(connection: Any, chunk: Scope) -> None:
    doubtful = chunk.rows, rows.c.state.in_([State.SENDING, State.NO_ANSWER])
    await connection.execute(update(rows).where(*doubtful).values(state=State.READY))


def _takes_any(_: Any) -> Any:
    return lambda dead: chunks.c.state.in_(["queued", "running"])


# In which worlds each can matter.


def _is_frozen(scenario: WorkersScenario) -> bool:
    """A worker may have a write under way when the other one, which has time, takes over."""
    slow = scenario.base.faults["answer_takes"] >= 0.8
    return slow and bool(scenario.freezes) and scenario.chunks_at_once > 1


def _lags(scenario: WorkersScenario) -> bool:
    """A worker may lose its lease while intents are on disk and requests wait."""
    return scenario.late_replies_only


def _kills(scenario: WorkersScenario) -> bool:
    return bool(scenario.kills) and scenario.base.faults["answer_takes"] >= 0.8


WORKERS_TABLE: Collection[WorkersMutation] = (
    WorkersMutation(
        name="lease",
        why="a worker whose lease has ended sends nothing more",
        of="Lease.__init__",
        without=_lasts,
        shows=("sent after its lease", "in flight after its lease"),
        matters=_lags,
    ),
    WorkersMutation(
        name="lease-start",
        why="a lease begins when its heartbeat was sent, not when the reply arrives",
        of="Lease.renewed",
        without=_counts_from_its_reply,
        shows=("sent after its lease", "in flight after its lease"),
        matters=_lags,
    ),
    WorkersMutation(
        name="fence",
        why="a write of a worker that has lost its chunk changes nothing",
        of="PostgresDatabase.write_as",
        without=_fences_nobody,
        shows=("which worker-1 had, was written", "which worker-2 had, was written"),
        matters=_is_frozen,
    ),
    WorkersMutation(
        name="takeover",
        why="who takes a chunk over reads the SIMs in doubt before it sends",
        of="Phases.reconcile",
        without=_reads_nothing,
        shows=("unseen", "sent 2 times", "sent 3 times", "updated after its goal"),
        matters=_kills,
    ),
    WorkersMutation(
        name="claim",
        why="only a chunk that is queued, or whose owner is dead, is claimed",
        of="_is_free",
        without=_takes_any,
        shows=("sent after its lease",),
        matters=lambda scenario: scenario.base.faults["answer_takes"] >= 0.8,
    ),
)

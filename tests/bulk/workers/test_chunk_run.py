"""One claim's work: how it ends, and what it leaves behind."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from asyncsim import Client
from asyncsim.bulk.chunk_run import ChunkOutcome, ChunkRun
from asyncsim.bulk.errors import Fenced, JournalFailed
from asyncsim.bulk.journal.chunks import TakenChunk, WorkerLimits
from asyncsim.bulk.journal.claims import DEAD_AFTER
from asyncsim.bulk.lease import Lease, Moment
from asyncsim.bulk.records import ChunkClaim
from asyncsim.bulk.send import SendPace
from asyncsim.bulk.stop_rules import StopRules
from asyncsim.clock import ManualClock

ACCOUNT = "twilio supersim AC1 at https://supersim"


def chunk_run(kind: type[ChunkRun], clock: ManualClock) -> ChunkRun:
    taken = TakenChunk(
        claim=ChunkClaim(1, 1, "owner", 1),
        job_name="job",
        account=ACCOUNT,
        limits=WorkerLimits(),
        failed_before=0,
    )
    client = Client.twilio("AC" + 32 * "0", "secret")
    database: Any = None
    claimed = Moment.now(clock)
    lease, rules = Lease(clock, claimed, seconds=DEAD_AFTER), StopRules(None, None)
    return kind(taken, lease, claimed, rules, client, SendPace(), database, (), clock)


class Fencing(ChunkRun):
    """Work that learns from its journal that another worker has the chunk."""

    has_cleaned_up = False

    async def _work(self) -> ChunkOutcome:
        try:
            self.lease.end()
            raise Fenced("journal x: another process has taken over chunk 1 of job 1")
        finally:
            await asyncio.sleep(0)
            type(self).has_cleaned_up = True


async def test_work_that_ends_its_own_lease_is_not_interrupted(clock: ManualClock) -> None:
    run = chunk_run(Fencing, clock)
    assert await run.run() == ChunkOutcome("lease lost")
    assert Fencing.has_cleaned_up
    assert run.task is not None
    assert isinstance(run.task.exception(), Fenced)


class Mistaken(ChunkRun):
    """Work with a bug."""

    async def _work(self) -> ChunkOutcome:
        raise RuntimeError("a bug")


async def test_a_bug_pauses_the_job_and_leaves_a_traceback(
    clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    run = chunk_run(Mistaken, clock)
    assert await run.run() == ChunkOutcome("RuntimeError: a bug", pauses_job=True)
    [logged] = caplog.records
    assert logged.getMessage() == "chunk 1 of job 'job' failed"
    assert logged.exc_info is not None
    assert clock.next_timer is None  # nor does anybody watch its lease any longer


class Unwritten(ChunkRun):
    """Work whose journal cannot be written."""

    async def _work(self) -> ChunkOutcome:
        raise JournalFailed("the server's disk is full", "run the same command again")


async def test_the_reason_of_a_chunk_has_no_advice_for_commands(clock: ManualClock) -> None:
    assert await chunk_run(Unwritten, clock).run() == ChunkOutcome("the server's disk is full")

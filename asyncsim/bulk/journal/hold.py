"""The hold of one process on a whole job that other processes might work on as well."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from asyncsim.bulk.errors import Fenced
from asyncsim.bulk.journal import claims
from asyncsim.bulk.journal.database import Database
from asyncsim.bulk.lease import Lease, Moment
from asyncsim.bulk.records import ChunkClaim
from asyncsim.clock import SYSTEM_CLOCK
from asyncsim.errors import JournalError


class JobHold:
    """Claims a job's chunk 0, keeps its heartbeat, and gives it back."""

    # A file has a lock for this, which the operating system releases when its process dies. The
    # database cannot know that a process on another machine is dead: it only stops hearing of it.

    def __init__(self, database: Database) -> None:
        self._database = database
        self._claim: ChunkClaim | None = None
        self._beating: asyncio.Task[None] | None = None
        self._confirmed: Moment | None = None
        """When the claim, or the latest heartbeat that succeeded, was sent."""
        self._lease: Lease | None = None

    async def take(self, job_id: int) -> ChunkClaim:
        """Claim the job; JournalError while another process has it."""
        database = self._database
        now, dead = database.now(), database.now(-claims.DEAD_AFTER)
        given = (job_id, claims.new_owner(), now, dead, database.target)
        sent = Moment.now(SYSTEM_CLOCK)
        self._claim = await database.write(claims.claim_job, *given)
        self._confirmed = sent
        self._beating = asyncio.create_task(self._beat(self._claim), name="asyncsim-journal-hold")
        return self._claim

    @contextmanager
    def lease(self) -> Iterator[Lease]:
        """Give the lease under which the job's rows are sent.

        Frozen for a while, a process may find its job taken over when it wakes. Its writes are
        fenced then, but requests whose intents were written before could still be sent.
        """
        # By the clock of its heartbeats, which is never moved by hand.
        self._lease = lease = Lease(SYSTEM_CLOCK, self._confirmed, seconds=claims.DEAD_AFTER)
        try:
            yield lease
        finally:
            self._lease = None
            lease.close()

    async def forget(self) -> None:
        """Stop the heartbeats: the job was given back, by a transaction of its journal."""
        beating = self._beating
        self._claim = self._beating = None
        if beating is not None:
            beating.cancel()
            await asyncio.gather(beating, return_exceptions=True)

    async def release(self) -> None:
        """Give the job back, if this process has it."""
        claim = self._claim
        await self.forget()
        if claim is not None:
            # If that fails, the next process waits until the heartbeat is old enough: closing must
            # not wait for a server that is away.
            with suppress(JournalError, TimeoutError):
                async with asyncio.timeout(claims.HEARTBEAT):
                    await self._database.write_as(claim, claims.release_job, claim)

    async def _beat(self, claim: ChunkClaim) -> None:
        """Renew the claim, until it is another process's."""
        while True:
            # The event loop's own time: a clock that is moved by hand does not move the database's.
            await asyncio.sleep(claims.HEARTBEAT)
            sent = Moment.now(SYSTEM_CLOCK)
            try:
                await self._database.write_as(claim, claims.renew, claim, self._database.now())
            except Fenced:
                if self._lease is not None:
                    self._lease.end()
                return  # the journal's next write raises it to whoever waits for that
            except JournalError:
                continue  # the database may be back before anybody else takes the job
            self._confirmed = sent
            if self._lease is not None:
                self._lease.renewed(sent)

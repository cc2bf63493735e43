"""The claim of one process on a whole job of a shared journal."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from sqlalchemy.ext.asyncio import AsyncConnection

from asyncsim.bulk.errors import Fenced
from asyncsim.bulk.journal import claims
from asyncsim.bulk.journal.database import Database
from asyncsim.bulk.lease import Lease, Moment
from asyncsim.bulk.records import ChunkClaim
from asyncsim.clock import SYSTEM_CLOCK
from asyncsim.errors import JournalError


class JobHold:
    """Claims a job's chunk 0, sends its heartbeats, and releases it."""

    # For a file there is a lock, which the operating system releases when its process dies. The
    # database cannot know that a process on another machine is dead: its heartbeats just stop.

    def __init__(self, database: Database) -> None:
        self._database = database
        self._claim: ChunkClaim | None = None
        self._beating: asyncio.Task[None] | None = None
        self._confirmed: Moment | None = None
        """When the claim, or the latest confirmed heartbeat, was sent."""
        self._lease: Lease | None = None
        self.cancelled = asyncio.Event()
        """Set once another process has cancelled the job."""

    async def take(self, job_id: int) -> ChunkClaim:
        """Claim the job; JournalError while another process owns it."""
        database = self._database
        now, dead = database.now(), database.now(-claims.DEAD_AFTER)
        given = (job_id, claims.new_owner(), now, dead, database.target)

        async def claiming(connection: AsyncConnection) -> ChunkClaim:
            # Kept before it is committed: if this is cancelled meanwhile, `release` undoes it.
            self._claim = await claims.claim_job(connection, *given)
            return self._claim

        sent = Moment.now(SYSTEM_CLOCK)
        self.cancelled.clear()
        claim = await database.write(claiming)
        self._confirmed = sent
        self._beating = asyncio.create_task(self._beat(claim), name="asyncsim-journal-hold")
        return claim

    @asynccontextmanager
    async def lease(self) -> AsyncIterator[Lease]:
        """Yield the lease under which the job's rows are sent; Fenced if the job was taken over.

        A process that was frozen for a while may find its job taken over. Its writes are fenced
        then, but without a lease it could still send requests whose intents were written before.
        """
        # The latest heartbeat may be old: nothing beats while a person is asked to confirm.
        if self._claim is not None:
            await self._renew(self._claim)
        # By the clock of its heartbeats, not by one that tests move by hand.
        self._lease = lease = Lease(SYSTEM_CLOCK, self._confirmed, seconds=claims.DEAD_AFTER)
        try:
            yield lease
        finally:
            self._lease = None
            lease.close()

    async def forget(self) -> None:
        """Stop the heartbeats: a transaction of the journal has released the job."""
        beating = self._beating
        self._claim = self._beating = None
        if beating is not None:
            beating.cancel()
            await asyncio.gather(beating, return_exceptions=True)

    async def release(self) -> None:
        """Release the job, if this process owns it."""
        claim = self._claim
        await self.forget()
        if claim is not None:
            # If this fails, the next process waits until the heartbeat is old enough: closing must
            # not wait for a server that cannot be reached.
            with suppress(JournalError, TimeoutError):
                async with asyncio.timeout(claims.HEARTBEAT):
                    await self._database.write_as(claim, claims.release_job, claim)

    async def _beat(self, claim: ChunkClaim) -> None:
        """Renew the claim, until another process owns the job."""
        while True:
            # The event loop's own time: a clock that is moved by hand does not move the database's.
            await asyncio.sleep(claims.HEARTBEAT)
            try:
                await self._renew(claim)
            except Fenced:
                if self._lease is not None:
                    self._lease.end()
                return  # the journal's next write raises it to its caller
            except JournalError:
                continue  # the database may be back before another process claims the job

    async def _renew(self, claim: ChunkClaim) -> None:
        """Send a heartbeat; extends the lease once it is confirmed."""

        async def renewing(connection: AsyncConnection) -> tuple[Moment, str | None]:
            sent = Moment.now(SYSTEM_CLOCK)  # of the attempt that succeeds
            return sent, await claims.renew(connection, claim, self._database.now())

        sent, reason = await self._database.write_as(claim, renewing)
        self._confirmed = sent
        if self._lease is not None:
            self._lease.renewed(sent)
        if reason is not None:
            self.cancelled.set()

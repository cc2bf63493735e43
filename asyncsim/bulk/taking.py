"""Before anything is sent: whose the journal is, the input whole, what is for ever confirmed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import aclosing

from asyncsim.bulk.actions import Action
from asyncsim.bulk.halt import Halt
from asyncsim.bulk.job import Job
from asyncsim.bulk.journal import Journal
from asyncsim.bulk.plan import Plan, line_numbers
from asyncsim.bulk.records import Head, Repeated, Row
from asyncsim.client import Client
from asyncsim.errors import JobError, JobStopped, JournalError, NotConfirmed
from asyncsim.events import JobProgressed, Observer, tell
from asyncsim.vendors import Product


async def begin(
    job: Job | None,
    client: Client,
    journal: Journal,
    observers: Sequence[Observer],
    halt: Halt,
) -> Head:
    """Begin a job in a journal, or go on with the one it holds; JournalError if they differ."""
    if job is None:
        return await _resume(client, journal)
    head = Head(
        product=job.product.value,
        action=job.action.value,
        change=job.change,
        vendor=client.vendor.name,
        account=_account(client, job.product),
        label=job.label,
    )
    if await journal.begin(head):
        await _take_in(job, journal, observers, halt)
    else:
        await _check_same(job, journal, observers, halt)
    return head


async def _resume(client: Client, journal: Journal) -> Head:
    head = await journal.head()
    if head is None:
        raise JournalError(
            f"journal {journal.target} holds no job to go on with: give the input once more"
        )
    vendor, account = client.vendor.name, _account(client, Product(head.product))
    if (head.vendor, head.account) != (vendor, account):
        raise JournalError(
            f"journal {journal.target} belongs to {head.vendor}, account {head.account}; these"
            f" credentials to {vendor}, account {account}: use those it was begun with"
        )
    return head


def _account(client: Client, product: Product) -> str:
    """Tell accounts apart, and an emulator from the vendor: its SIMs are others."""
    connection = client._connection
    return f"{connection.account} at {connection.base(product)}"


async def confirm_irreversible(
    action: Action, plan: Plan, journal: Journal, confirm: int | Callable[[Plan], bool] | None
) -> None:
    """Refuse what can never be taken back, unless its extent was confirmed."""
    count = plan.irreversible
    if not count:
        return
    agreed = confirm(plan) if callable(confirm) else confirm == count
    if not agreed:
        what = "deletes" if action is Action.DELETE else "deactivates"
        given = confirm if isinstance(confirm, int) else None
        raise NotConfirmed(f"this {what} SIMs", count, given)
    await journal.approve()  # these rows: a later run asks again for others, and not for them


async def _take_in(job: Job, journal: Journal, observers: Sequence[Observer], halt: Halt) -> None:
    """Read a job's input into the journal; JobError has all that is wrong with it, at once."""
    reading = job.read()
    async with aclosing(_until_halted(job, reading.batches(), halt)) as batches:
        async for batch in batches:
            await journal.add(batch)
            tell(observers, JobProgressed(phase="reading", done=reading.rows, total=None))
    problems = [*reading.problems, *_repetitions(await journal.repeated())]
    if problems:
        await journal.discard()
        raise JobError(f"{job.label} cannot be used as it is; nothing was sent", problems)
    await journal.seal(
        header=reading.header,
        applied=reading.applied,
        digest=reading.digest,
        notes=reading.notes,
        source=reading.path,
    )


async def _check_same(
    job: Job, journal: Journal, observers: Sequence[Observer], halt: Halt
) -> None:
    """Make sure that the input is the one which the journal began with."""
    reading = job.read()
    async with aclosing(_until_halted(job, reading.batches(), halt)) as batches:
        async for _ in batches:
            tell(observers, JobProgressed(phase="reading", done=reading.rows, total=None))
    if reading.digest != journal.digest:
        raise JournalError(
            f"journal {journal.target} was begun with another input: {job.label}, or which of its"
            " columns are applied, has changed since. Give what it is now a journal of its own, or"
            " bring back what it was"
        )


async def _until_halted(
    job: Job, batches: AsyncGenerator[list[Row], None], halt: Halt
) -> AsyncGenerator[list[Row], None]:
    """Give all batches; `JobStopped` as soon as the run is halted, however slow the next one is."""
    halted = asyncio.ensure_future(halt.happened.wait())
    try:
        while True:
            following = asyncio.ensure_future(anext(batches, None))
            await asyncio.wait((following, halted), return_when=asyncio.FIRST_COMPLETED)
            if halted.done():
                following.cancel()
                await asyncio.gather(following, return_exceptions=True)
                raise JobStopped(f"stopped while {job.label} was read; nothing was sent")
            if (batch := following.result()) is None:
                return
            yield batch
    finally:
        halted.cancel()
        await batches.aclose()


async def refuse_twins(label: str, journal: Journal) -> None:
    """Refuse rows that turned out to mean the same SIM by different names."""
    twins = list(_repetitions(await journal.twins()))
    if twins:
        raise JobError(f"{label} has different names of the same SIM; leave one of each", twins)


def _repetitions(repeated: Iterable[Repeated]) -> Iterable[str]:
    for one in repeated:
        what = "is to become different things" if one.conflicting else "is named more than once"
        yield f"{one.name} {what}: {line_numbers(one.lines, one.times)}"

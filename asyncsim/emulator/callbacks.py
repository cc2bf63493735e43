"""Callbacks on their way out, over real sockets: sent, tried again, logged."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping

import aiohttp
from attrs import asdict, evolve
from yarl import URL

from asyncsim.clock import Clock
from asyncsim.emulator import identity
from asyncsim.emulator.conditions import Conditions
from asyncsim.emulator.letters import (
    Callback,
    Delivery,
    Letter,
    Outcome,
    Sent,
    debugger_code,
    deserves_another,
    is_loopback,
    pack,
)
from asyncsim.emulator.request_log import Journal
from asyncsim.emulator.scheduler import Agenda, Errand

ERRAND = "deliver"

# A vendor has many senders; this many are enough to keep a listener busy.
_AT_ONCE = 64

# 15 s in all, 5 s to connect: Twilio docs, error 11205; KORE's defaults agree.
_TIMEOUT = aiohttp.ClientTimeout(total=15.0, sock_connect=5.0)


class Outbox:
    """Owes callbacks to their listeners and pays them.

    `secret` gives what an account signs with, by vendor and account SID. What waits for a free
    sender is bounded by what is owed: a SIM has one change at a time.
    """

    def __init__(
        self,
        clock: Clock,
        agenda: Agenda,
        conditions: Conditions,
        secret: Callable[[str, str], str | None],
        journal: Journal[Delivery],
    ) -> None:
        self._clock = clock
        self._agenda = agenda
        self._conditions = conditions
        self._secret = secret
        self._journal = journal
        self._started = clock.now()
        self._waiting: deque[Errand] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._session: aiohttp.ClientSession | None = None
        agenda.handle(ERRAND, self._enqueue)

    def owe(self, vendor: str, sid: str, callback: Callback, params: Mapping[str, str]) -> None:
        """Promise a callback; it goes out after the callback latency.

        `params` name the account, as all callbacks do.
        """
        event = (vendor, sid, params, self._journal.ever, self._clock.now())
        letter = Letter(
            vendor=vendor,
            account_sid=params["AccountSid"],
            sid=sid,
            method=callback.method,
            url=callback.url.partition("#")[0],  # a fragment is meant for the sender
            params=dict(params),
            token=identity.digest(self._conditions.seed, "callback", *event),
        )
        if not is_loopback(letter.url):
            self._log(letter, "refused", Sent(reason="the emulator calls only this machine"))
        elif self._conditions.strikes("lost_callbacks"):
            self._log(letter, "lost", Sent(reason="lost on purpose"))
        else:
            self._post(letter)

    def _post(self, letter: Letter) -> None:
        conditions = self._conditions
        late = conditions.faults.late_seconds if conditions.strikes("late_callbacks") else 0.0
        copies = 2 if conditions.strikes("doubled_callbacks") else 1
        for copy in range(copies):
            key = f"{letter.token} {copy}"
            self._agenda.put(ERRAND, key, conditions.takes("callback") + late, asdict(letter))

    def _enqueue(self, errand: Errand) -> None:
        self._waiting.append(errand)
        self._pump()

    def _pump(self) -> None:
        while self._waiting and len(self._tasks) < _AT_ONCE:
            task = asyncio.create_task(self._deliver(self._waiting.popleft()))
            self._tasks.add(task)
            task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.result()
            self._pump()

    async def _deliver(self, errand: Errand) -> None:
        letter = Letter(**errand.body)
        with self._clock.working():
            sent = await self._send(letter)
            self._agenda.drop(ERRAND, errand.key)
            self._log(letter, "delivered" if sent.good else "failed", sent)
            if letter.attempt == 1 and deserves_another(letter.vendor, sent):
                self._retry(errand, letter)
            self._agenda.commit()

    def _retry(self, errand: Errand, letter: Letter) -> None:
        delay = self._conditions.behaviour.callback_retry_delay
        self._agenda.put(ERRAND, errand.key, delay, asdict(evolve(letter, attempt=2)))

    async def _send(self, letter: Letter) -> Sent:
        behaviour, now = self._conditions.behaviour, self._clock.utcnow()
        secret = self._secret(letter.vendor, letter.account_sid)
        parcel = pack(letter, secret, behaviour, now)
        try:
            async with self._open().request(
                letter.method,
                URL(parcel.url, encoded=True),  # exactly as signed: nothing is encoded anew
                data=parcel.body,
                headers=parcel.headers,
                allow_redirects=False,
            ) as answer:
                return Sent(answer.status)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            return Sent(reason=_worded(error), connected=False)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            return Sent(reason=_worded(error))

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            # No connection is used twice: one that a listener closed meanwhile would lose a POST.
            connector = aiohttp.TCPConnector(limit=_AT_ONCE, force_close=True)
            self._session = aiohttp.ClientSession(timeout=_TIMEOUT, connector=connector)
        return self._session

    def _log(self, letter: Letter, outcome: Outcome, sent: Sent) -> None:
        delivery = Delivery(
            seconds=self._clock.now() - self._started,
            outcome=outcome,
            status=sent.status,
            reason=sent.reason,
            code=debugger_code(letter.sid, sent),
            **asdict(letter),
        )
        self._journal.append(delivery)

    async def close(self) -> None:
        """Stop delivering; what is owed stays on the agenda."""
        self._waiting.clear()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()


def _worded(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"

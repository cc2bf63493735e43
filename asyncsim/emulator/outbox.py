"""Callbacks on their way out: signed, sent over real sockets, tried again, logged.

Sources: Twilio docs, error 11205 and Secure webhooks; KORE docs, Webhooks, Idempotency, Validate
Webhook Signatures.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections import deque
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import urlencode, urlsplit

import aiohttp
from attrs import asdict, evolve, frozen
from yarl import URL

from asyncsim.clock import Clock
from asyncsim.emulated import Credentials
from asyncsim.emulator import identity, signing
from asyncsim.emulator.agenda import Agenda, Errand
from asyncsim.emulator.conditions import Conditions
from asyncsim.emulator.journal import Journal

Outcome = Literal["delivered", "failed", "lost", "refused"]

ERRAND = "deliver"

# A vendor has many senders; this many are enough to keep a listener busy.
_AT_ONCE = 64


@frozen
class Callback:
    """Where an update asked to be called."""

    url: str
    method: str = "POST"


@frozen(kw_only=True)
class Delivery:
    """One attempt to deliver a callback, and how it ended."""

    seconds: float
    vendor: str
    sid: str
    method: str
    url: str
    params: dict[str, str]
    token: str
    """The idempotency token: the same for every attempt and copy of one callback."""
    attempt: int
    outcome: Outcome
    status: int | None = None
    """HTTP status of the listener's answer; None: there was none."""
    reason: str | None = None
    number: int = 0


@frozen(kw_only=True)
class _Letter:
    """What is to be delivered, as its errand keeps it."""

    vendor: str
    sid: str
    method: str
    url: str
    params: dict[str, str]
    token: str
    attempt: int = 1


class Outbox:
    """Owes callbacks to their listeners and pays them."""

    def __init__(
        self,
        clock: Clock,
        agenda: Agenda,
        conditions: Conditions,
        credentials: Credentials,
        journal: Journal[Delivery],
    ) -> None:
        self._clock = clock
        self._agenda = agenda
        self._conditions = conditions
        self._credentials = credentials
        self._journal = journal
        self._started = clock.now()
        self._waiting: deque[Errand] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._session: aiohttp.ClientSession | None = None
        agenda.handle(ERRAND, self._enqueue)

    def owe(self, vendor: str, sid: str, callback: Callback, params: Mapping[str, str]) -> None:
        """Promise a callback; it goes out after the callback latency."""
        conditions = self._conditions
        event = (vendor, sid, params, self._journal.count(), self._clock.now())
        letter = _Letter(
            vendor=vendor,
            sid=sid,
            method=callback.method,
            url=callback.url.partition("#")[0],  # a fragment addresses the sender, not the listener
            params=dict(params),
            token=identity.digest(conditions.seed, "callback", *event),
        )
        if not _is_loopback(letter.url):
            self._log(letter, "refused", reason="the emulator calls only this machine")
        elif conditions.strikes("lost_callbacks"):
            self._log(letter, "lost", reason="lost on purpose")
        else:
            self._post(letter)

    def _post(self, letter: _Letter) -> None:
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
        letter = _Letter(**errand.body)
        with self._clock.working():
            status, reason = await self._send(letter)
            good = status is not None and 200 <= status < 300
            self._agenda.drop(ERRAND, errand.key)
            self._log(letter, "delivered" if good else "failed", status, reason)
            if letter.attempt == 1 and _try_again(letter.vendor, status):
                self._retry(errand, letter)
            self._agenda.commit()

    def _retry(self, errand: Errand, letter: _Letter) -> None:
        delay = self._conditions.behaviour.callback_retry_delay
        self._agenda.put(ERRAND, errand.key, delay, asdict(evolve(letter, attempt=2)))

    async def _send(self, letter: _Letter) -> tuple[int | None, str | None]:
        url, body = self._addressed(letter)
        headers = self._headers(letter, url, body)
        if letter.method == "POST":
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        try:
            async with self._open().request(
                letter.method,
                # Sent exactly as signed, so nothing may be encoded anew.
                URL(url, encoded=True),
                data=body.encode() if letter.method == "POST" else None,
                headers=headers,
                allow_redirects=False,
            ) as answer:
                return answer.status, None
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            return None, f"{type(error).__name__}: {error}"

    def _addressed(self, letter: _Letter) -> tuple[str, str]:
        """The URL to call and the POST's body; a GET carries its parameters in the query."""
        query = urlencode(letter.params)
        if letter.method == "POST":
            return letter.url, query
        bare, _, own = letter.url.partition("?")
        if own and self._conditions.behaviour.get_callback_query == "append":
            query = f"{own}&{query}"
        return f"{bare}?{query}", ""

    def _headers(self, letter: _Letter, url: str, body: str) -> dict[str, str]:
        if letter.vendor == "kore":
            return self._kore_headers(letter, url, body)
        signed = letter.params.items() if letter.method == "POST" else ()
        return {
            "X-Twilio-Signature": signing.twilio(self._credentials.auth_token, url, signed),
            "I-Twilio-Idempotency-Token": letter.token,
            "User-Agent": "TwilioProxy/1.1",
        }

    def _kore_headers(self, letter: _Letter, url: str, body: str) -> dict[str, str]:
        signs = self._conditions.behaviour.kore_signs
        secret = self._credentials.webhook_secret if signs else None
        return {
            "kore-signature": signing.kore(secret, letter.method, url, body),
            "kore-idempotency-token": letter.token,
            "date": self._clock.utcnow().strftime("%Y-%m-%dT%H:%M:%SZ"),
            "user-agent": "KoreProxy/1.1",
        }

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            # 15 s in all, 5 s to connect: Twilio docs, error 11205; KORE's defaults agree.
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=15.0, sock_connect=5.0),
                connector=aiohttp.TCPConnector(limit=_AT_ONCE),
            )
        return self._session

    def _log(
        self,
        letter: _Letter,
        outcome: Outcome,
        status: int | None = None,
        reason: str | None = None,
    ) -> None:
        seconds = self._clock.now() - self._started
        facts: dict[str, Any] = asdict(letter)
        self._journal.append(
            Delivery(seconds=seconds, outcome=outcome, status=status, reason=reason, **facts)
        )

    async def close(self) -> None:
        """Stop delivering; what is owed stays on the agenda."""
        self._waiting.clear()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()


def _try_again(vendor: str, status: int | None) -> bool:
    """Twilio tries a failed connection twice; KORE repeats 408, 423 and 5xx once."""
    if status is None:
        return True
    return vendor == "kore" and (status in (408, 423) or status >= 500)


def _is_loopback(url: str) -> bool:
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

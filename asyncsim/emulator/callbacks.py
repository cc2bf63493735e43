"""Callback delivery: signed, sent over real sockets, retried and logged.

Signatures are written from the vendors' documents, independently of the client's.
Sources: Twilio docs, Secure webhooks; KORE docs, Webhooks, Idempotency, and Validate Webhook
Signatures.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import ipaddress
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Literal
from urllib.parse import urlencode, urlsplit, urlunsplit

import aiohttp
from attrs import asdict, evolve, frozen
from yarl import URL

from asyncsim.clock import Clock, ManualClock
from asyncsim.emulator.fixtures import seeded_hex
from asyncsim.emulator.request_log import EntryLog, LogEntry
from asyncsim.emulator.scheduler import ScheduledTask, Scheduler
from asyncsim.emulator.settings import Behaviour, RuntimeSettings

DeliveryOutcome = Literal["delivered", "failed", "lost", "refused"]

_DELIVER = "deliver"

# A vendor has many senders; this many are enough to keep a listener busy.
_MAX_CONNECTIONS = 64

# Seconds in all, and to connect: Twilio docs, error 11205; KORE's defaults agree.
_TIMEOUT, _CONNECT_TIMEOUT = 15.0, 5.0


@frozen
class CallbackTarget:
    """The URL and method that a request gave for its callback."""

    url: str
    method: str = "POST"


def target_to_dict(target: CallbackTarget | None) -> dict[str, Any] | None:
    """A target as notes and scheduled tasks keep it."""
    return None if target is None else asdict(target)


@frozen(kw_only=True)
class CallbackJob:
    """A callback to deliver, as its scheduled task keeps it."""

    vendor: str
    account_sid: str
    sid: str
    method: str
    url: str
    params: dict[str, str]
    token: str
    attempt: int = 1


@frozen(kw_only=True)
class Delivery(LogEntry):
    """One attempt to deliver a callback, and its outcome."""

    seconds: float
    """When it ended, on the emulator's clock."""
    vendor: str
    account_sid: str
    sid: str
    method: str
    url: str
    params: dict[str, str]
    token: str
    """The idempotency token: the same for every attempt and copy of one callback."""
    attempt: int
    outcome: DeliveryOutcome
    status: int | None = None
    """HTTP status of the listener's response; None: there was none."""
    reason: str | None = None
    code: int | None = None
    """The error in the vendor's debugger: 11205, no connection; 83402, an error response from the
    listener of an IP Command."""


@frozen
class SignedRequest:
    """A callback as it is sent."""

    url: str
    body: bytes | None
    headers: dict[str, str]


@frozen
class Attempt:
    """The result of sending a callback once."""

    status: int | None = None
    reason: str | None = None
    connected: bool = True

    @property
    def succeeded(self) -> bool:
        """Whether the listener accepted it: any 2xx."""
        return self.status is not None and 200 <= self.status < 300

    def is_retried_by(self, vendor: str) -> bool:
        """Whether a vendor sends the callback again.

        Both do after a connection that failed; only KORE does after a response: 408, 423, 5xx.
        """
        if self.status is None:
            return not self.connected
        return vendor == "kore" and (self.status in (408, 423) or self.status >= 500)


class CallbackSender:
    """Sends callbacks to their listeners.

    `secret` returns an account's signing secret, by vendor and account SID. The queue for a free
    connection is bounded by the pending changes: a SIM has one at a time.
    """

    def __init__(
        self,
        clock: Clock,
        scheduler: Scheduler,
        settings: RuntimeSettings,
        secret: Callable[[str, str], str | None],
        log: EntryLog[Delivery],
    ) -> None:
        self._clock = clock
        self._scheduler = scheduler
        self._settings = settings
        self._secret = secret
        self._log = log
        self._started = clock.now()
        self._queue: deque[ScheduledTask] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._session: aiohttp.ClientSession | None = None
        scheduler.on(_DELIVER, self._deliver_soon)

    def enqueue(
        self, vendor: str, sid: str, target: CallbackTarget, params: Mapping[str, str]
    ) -> None:
        """Schedule a callback after the callback latency.

        `params` contain the account's SID, as those of all callbacks do.
        """
        settings = self._settings
        event = (vendor, sid, params, self._log.last_number, self._clock.now())
        job = CallbackJob(
            vendor=vendor,
            account_sid=params["AccountSid"],
            sid=sid,
            method=target.method,
            url=target.url.partition("#")[0],  # a fragment is never sent (RFC 9110, 7.1)
            params=dict(params),
            token=seeded_hex(settings.seed, "callback", *event),
        )
        if not _is_loopback(job.url):
            self._record(job, "refused", Attempt(reason="the emulator calls only this machine"))
            return
        if settings.sampler.hits("lost_callbacks"):
            self._record(job, "lost", Attempt(reason="lost on purpose"))
            return
        late = settings.faults.late_seconds if settings.sampler.hits("late_callbacks") else 0.0
        copies = 2 if settings.sampler.hits("doubled_callbacks") else 1
        for copy in range(copies):
            delay = settings.seconds("callback") + late
            self._scheduler.schedule(_DELIVER, f"{job.token} {copy}", delay, asdict(job))

    async def close(self) -> None:
        """Stop delivering; scheduled callbacks stay scheduled."""
        self._queue.clear()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    def _deliver_soon(self, scheduled: ScheduledTask) -> None:
        self._queue.append(scheduled)
        self._start_tasks()

    def _start_tasks(self) -> None:
        while self._queue and len(self._tasks) < _MAX_CONNECTIONS:
            task = asyncio.create_task(self._deliver(self._queue.popleft()))
            self._tasks.add(task)
            task.add_done_callback(self._on_task_done)

    def _on_task_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.result()
            self._start_tasks()

    async def _deliver(self, scheduled: ScheduledTask) -> None:
        job = CallbackJob(**scheduled.body)
        with self._clock.working():
            attempt = await self._send(job)
            self._scheduler.cancel(_DELIVER, scheduled.key)
            self._record(job, "delivered" if attempt.succeeded else "failed", attempt)
            if job.attempt == 1 and attempt.is_retried_by(job.vendor):
                delay = self._settings.behaviour.callback_retry_delay
                again = asdict(evolve(job, attempt=2))
                self._scheduler.schedule(_DELIVER, scheduled.key, delay, again)
            self._scheduler.commit()

    async def _send(self, job: CallbackJob) -> Attempt:
        secret = self._secret(job.vendor, job.account_sid)
        request = sign(job, secret, self._settings.behaviour, self._clock.utcnow())
        if self._session is None:
            # No connection is used twice: one that a listener closed meanwhile would lose a POST.
            connector = aiohttp.TCPConnector(limit=_MAX_CONNECTIONS, force_close=True)
            # These are real seconds, and a manual clock stands still meanwhile. On a machine that
            # stalls, a second attempt would make the callback arrive late on that clock.
            connect = None if isinstance(self._clock, ManualClock) else _CONNECT_TIMEOUT
            timeout = aiohttp.ClientTimeout(total=_TIMEOUT, sock_connect=connect)
            self._session = aiohttp.ClientSession(timeout=timeout, connector=connector)
        try:
            async with self._session.request(
                job.method,
                URL(request.url, encoded=True),  # exactly as signed: nothing is encoded anew
                data=request.body,
                headers=request.headers,
                allow_redirects=False,
            ) as response:
                return Attempt(response.status)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            return Attempt(reason=f"{type(error).__name__}: {error}", connected=False)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            return Attempt(reason=f"{type(error).__name__}: {error}")

    def _record(self, job: CallbackJob, outcome: DeliveryOutcome, attempt: Attempt) -> None:
        code = None
        if not attempt.connected:
            code = 11205
        elif job.sid.startswith("HG") and attempt.status is not None and not attempt.succeeded:
            code = 83402
        self._log.append(
            Delivery(
                seconds=self._clock.now() - self._started,
                outcome=outcome,
                status=attempt.status,
                reason=attempt.reason,
                code=code,
                **asdict(job),
            )
        )


def _is_loopback(url: str) -> bool:
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def sign(
    job: CallbackJob, secret: str | None, behaviour: Behaviour, now: datetime
) -> SignedRequest:
    """The request that delivers a callback, signed with its account's secret."""
    url, body = job.url, urlencode(job.params)
    if job.method != "POST":
        bare, _, own = url.partition("?")
        keeps_own = own and behaviour.get_callback_query == "append"
        url, body = f"{bare}?{own}&{body}" if keeps_own else f"{bare}?{body}", ""
    if job.vendor == "kore":
        headers = {
            "kore-signature": kore_signature(
                secret if behaviour.kore_signs else None, job.method, url, body
            ),
            "kore-idempotency-token": job.token,
            # Not the form of RFC 9110, but this is what KORE documents.
            "date": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "user-agent": "KoreProxy/1.1",
        }
    else:
        signed = job.params.items() if job.method == "POST" else ()
        headers = {
            "X-Twilio-Signature": twilio_signature(secret or "", url, signed),
            "I-Twilio-Idempotency-Token": job.token,
            "User-Agent": "TwilioProxy/1.1",
        }
    if job.method != "POST":
        return SignedRequest(url, None, headers)
    headers["Content-Type"] = "application/x-www-form-urlencoded"
    return SignedRequest(url, body.encode(), headers)


def twilio_signature(auth_token: str, url: str, params: Iterable[tuple[str, str]] = ()) -> str:
    """`X-Twilio-Signature`: HMAC-SHA1 over the URL and, of a POST, the sorted distinct pairs."""
    pairs = sorted(set(params))
    text = url.partition("#")[0] + "".join(name + value for name, value in pairs)
    mac = hmac.new(auth_token.encode(), text.encode(), hashlib.sha1)
    return base64.b64encode(mac.digest()).decode()


def kore_signature(secret: str | None, method: str, url: str, body: str = "") -> str:
    """`kore-signature`: a plain SHA-256, not an HMAC, over the URL without query and fragment.

    An account that has no secret gets an empty header.
    """
    if secret is None:
        return ""
    parts = urlsplit(url)
    bare = urlunsplit((parts.scheme, parts.netloc, parts.path, "", ""))
    return hashlib.sha256((secret + method + bare + body).encode()).hexdigest()

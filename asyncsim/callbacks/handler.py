"""The request handler behind every server: verifies, counts, and passes callbacks to the bus."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Mapping, Sequence

from attrs import define, field

from asyncsim.callbacks.bus import MAX_TOKEN, Callback, CallbackBus
from asyncsim.callbacks.commands import COMMANDS_NAME, InboundCommands
from asyncsim.callbacks.secrets import SecretStore
from asyncsim.callbacks.shared import BusUnavailable, SharedBus
from asyncsim.callbacks.tickets import find_ticket
from asyncsim.callbacks.verify import (
    CallbackRequest,
    RequestRejected,
    path_of,
    verify_head,
    verify_request,
)
from asyncsim.clock import Clock
from asyncsim.errors import ReceiverError, SignatureError
from asyncsim.events import CallbackReceived, CallbackRefused, Observer, notify
from asyncsim.vendors import VENDORS

logger = logging.getLogger("asyncsim")

BODY_TIMEOUT = 10.0  # seconds; both vendors hang up after 15 (Twilio docs, error 11205)
_HEALTH_CHECKS = frozenset({"", "health", "healthz", "livez", "ping", "readyz"})
_READINESS_CHECKS = frozenset({"health", "healthz", "readyz"})
"""These check the shared bus; the others only show that the process is alive."""
_LOG_INTERVAL = 60.0  # seconds between log lines about rejected requests, which anyone can send


@define(kw_only=True)
class ReceiverStats:
    """Requests received, by outcome."""

    accepted: int = 0
    """Accepted with 204; the next two are among them."""
    unconfirmed: int = 0
    """Valid ticket, but no signature that proves the rest."""
    duplicates: int = 0
    """Delivered again under an idempotency token seen before; nothing was published twice."""
    refused: int = 0
    """A wrong ticket or signature, or a request that no vendor sends."""
    not_found: int = 0
    """Other paths, rejected with 404; health checks (200) are counted nowhere."""


@define(eq=False, kw_only=True)
class CallbackHandler:
    """Handles the requests of a receiver, from any web server."""

    secrets: SecretStore
    bus: CallbackBus
    shared: SharedBus | None = None
    """Stores callbacks for all processes, `bus` included; None: they go to `bus` directly."""
    commands: InboundCommands
    max_body: int
    """In bytes."""
    observers: Sequence[Observer]
    clock: Clock
    public_url: str | None
    """Without a trailing slash; None until it is known."""
    stats: ReceiverStats = field(factory=ReceiverStats, init=False)
    _unlogged: int = field(default=0, init=False)
    """Rejected since the last log line."""
    _log_next_at: float = field(default=float("-inf"), init=False)

    def require_public_url(self) -> str:
        """Return the public URL; ReceiverError while it is not known."""
        if self.public_url is None:
            raise ReceiverError(
                "the receiver's public_url is not known: pass one, or start() it on a port first"
            )
        return self.public_url

    def check_head(self, method: str, raw_target: str, length: int | None) -> int | None:
        """Return the status to reject a request with before its body is read; None: read it.

        Only a valid ticket is worth waiting for. `length` is the announced length in bytes.
        """
        if self._asks_bus(method, raw_target):
            return None  # `receive` can wait for it
        try:
            verify_head(method, raw_target, self.secrets)
        except (RequestRejected, SignatureError) as error:
            return self._reject(method, raw_target, error)
        if length is not None and length > self.max_body:
            return self._count_refused(413, f"the body is longer than {self.max_body} bytes")
        return None

    def receive(
        self, method: str, raw_target: str, headers: Mapping[str, str], body: bytes
    ) -> int | Awaitable[int]:
        """Handle a request and return its HTTP status; headers are found by lower-case names.

        With a shared bus the status of a callback must be awaited: until then it is not durable.
        """
        url = self.public_url or self.require_public_url()
        request = CallbackRequest(method=method, raw_target=raw_target, headers=headers, body=body)
        try:
            callback = verify_request(request, self.secrets, url, self.max_body)
        except (RequestRejected, SignatureError) as error:
            if self.shared is not None and self._asks_bus(method, raw_target):
                return self._readiness(self.shared)
            return self._reject(method, raw_target, error)

        token = headers.get(VENDORS[callback.vendor].idempotency_header, "")
        if self.shared is not None:
            return self._share(self.shared, callback, token, raw_target)
        is_command = callback.name == COMMANDS_NAME
        if is_command and self.commands.full:  # before its token is seen: KORE delivers it again
            return self._count_refused(503, "the queue of unread Commands is full")
        duplicate = self.bus.is_duplicate(callback, token)
        self._count_accepted(callback, duplicate=duplicate)
        if is_command and not duplicate:
            self.commands.add(callback)
        elif not duplicate:
            self.bus.publish(callback)
        return 204

    async def _share(
        self, shared: SharedBus, callback: Callback, token: str, raw_target: str
    ) -> int:
        """Store a callback for all processes; this process's waits and loops read it there, too."""
        token = token if len(token) <= MAX_TOKEN else ""
        try:
            if callback.name == COMMANDS_NAME:
                segments = find_ticket(path_of(raw_target))
                assert segments is not None  # noqa: S101  # it was verified
                scope = self.secrets.scope_of(segments)
                duplicate = await shared.accept_command(callback, token, scope)
            else:
                duplicate = await shared.accept(callback, token)
        except BusUnavailable as error:
            return self._count_refused(503, str(error))
        self._count_accepted(callback, duplicate=duplicate)
        return 204

    def _asks_bus(self, method: str, raw_target: str) -> bool:
        """Tell whether it is a health check of the shared bus."""
        if self.shared is None or method not in ("GET", "HEAD"):
            return False
        return _last_segment(raw_target) in _READINESS_CHECKS

    async def _readiness(self, shared: SharedBus) -> int:
        return 200 if await shared.is_writable() else 503

    def _count_accepted(self, callback: Callback, *, duplicate: bool) -> None:
        self.stats.accepted += 1
        self.stats.unconfirmed += not callback.signed
        self.stats.duplicates += duplicate
        if self.observers:
            event = CallbackReceived(
                vendor=callback.vendor,
                product=callback.product,
                name=callback.name,
                status=callback.status,
                signed=callback.signed,
                duplicate=duplicate,
            )
            notify(self.observers, event)

    def reject_malformed(self) -> None:
        """Count a request that a server could not parse as HTTP."""
        self._count_refused(400, "it is not HTTP, or its headers are too many or too long")

    def _reject(self, method: str, raw_target: str, error: RequestRejected | SignatureError) -> int:
        status = error.status if isinstance(error, RequestRejected) else 403
        if status != 404:
            return self._count_refused(status, str(error))
        # Not an attack on a ticket: a health check, a crawler, a wrong URL.
        if method in ("GET", "HEAD") and _last_segment(raw_target) in _HEALTH_CHECKS:
            return 200
        self.stats.not_found += 1
        return 404

    def _count_refused(self, status: int, reason: str) -> int:
        self.stats.refused += 1
        notify(self.observers, CallbackRefused(status=status, reason=reason))
        self._unlogged += 1
        now = self.clock.now()
        if now >= self._log_next_at:
            # Without path and sender: the path may hold a ticket, the sender is usually a proxy.
            logger.warning(
                "callbacks: rejected %d since the last such line, the latest with %d: %s",
                *(self._unlogged, status, reason),
            )
            self._unlogged, self._log_next_at = 0, now + _LOG_INTERVAL
        return status


def _last_segment(raw_target: str) -> str:
    return raw_target.partition("?")[0].rpartition("/")[2]

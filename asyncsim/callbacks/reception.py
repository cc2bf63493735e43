"""Behind every server: judges each request, counts it, and tells those who wait."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence

from attrs import define, field

from asyncsim.callbacks.bus import Bus, Callback
from asyncsim.callbacks.counts import Counts
from asyncsim.callbacks.inbound import INBOUND, InboundCommands, inbound_command
from asyncsim.callbacks.payload import Refusal
from asyncsim.callbacks.secrets import Keyring
from asyncsim.callbacks.verify import Request, admit, judge
from asyncsim.clock import Clock
from asyncsim.errors import SignatureError
from asyncsim.events import CallbackReceived, CallbackRefused, Observer, notify
from asyncsim.vendors import VENDORS

logger = logging.getLogger("asyncsim")

_HEALTH = frozenset({"", "health", "healthz", "livez", "ping", "readyz"})
_QUIET_FOR = 60.0  # seconds between lines about rejected requests: anybody can send those


@define(eq=False, kw_only=True)
class Reception:
    """Where the requests of a receiver arrive, whatever server took them in."""

    keyring: Keyring
    bus: Bus
    commands: InboundCommands
    public_url: Callable[[], str]
    max_body: int
    observers: Sequence[Observer]
    clock: Clock
    counts: Counts = field(factory=Counts, init=False)
    _unsaid: int = field(default=0, init=False)
    """Rejected since the last line in the log."""
    _quiet_until: float = field(default=float("-inf"), init=False)

    def admit(self, method: str, raw_target: str, length: int | None) -> int | None:
        """Judge a request whose body has yet to come: only a ticket of ours is worth waiting for.

        `length` is what it says of its body, in bytes. None: go on.
        """
        try:
            admit(method, raw_target, self.keyring)
        except (Refusal, SignatureError) as error:
            return self._reject(method, raw_target, error)
        if length is not None and length > self.max_body:
            return self._refuse(413, f"the body is longer than {self.max_body} bytes")
        return None

    def receive_lowered(
        self, method: str, raw_target: str, headers: Mapping[str, str], body: bytes
    ) -> int:
        """Judge a request and return its HTTP status; headers are found by lower-case names."""
        request = Request(method=method, raw_target=raw_target, headers=headers, body=body)
        try:
            callback = judge(request, self.keyring, self.public_url(), self.max_body)
        except (Refusal, SignatureError) as error:
            return self._reject(method, raw_target, error)
        header = VENDORS[callback.vendor].idempotency_header
        return self._accept(callback, request.headers.get(header, ""))

    def malformed(self) -> None:
        """Count what a server could not read as HTTP."""
        self._refuse(400, "it is not HTTP, or its headers are too many or too long")

    def _reject(self, method: str, raw_target: str, error: Refusal | SignatureError) -> int:
        status = error.status if isinstance(error, Refusal) else 403
        if status != 404:
            return self._refuse(status, str(error))
        # No attack on a ticket: somebody's health check, a crawler, a wrong address.
        path = raw_target.partition("?")[0]
        if method in ("GET", "HEAD") and path.rpartition("/")[2] in _HEALTH:
            return 200
        self.counts.not_found += 1
        return 404

    def _refuse(self, status: int, reason: str) -> int:
        self.counts.refused += 1
        notify(self.observers, CallbackRefused(status=status, reason=reason))
        self._unsaid += 1
        now = self.clock.now()
        if now >= self._quiet_until:
            # Neither path nor sender: the one may hold a ticket, the other is a proxy's address.
            logger.warning(
                "callbacks: rejected %d since the last such line, the latest with %d: %s",
                *(self._unsaid, status, reason),
            )
            self._unsaid, self._quiet_until = 0, now + _QUIET_FOR
        return status

    def _accept(self, callback: Callback, token: str) -> int:
        inbound = callback.name == INBOUND
        if inbound and self.commands.full:  # before its token counts: it will come again
            return self._refuse(503, "nobody takes the Commands that came in before")
        repeated = self.bus.is_repeated(callback, token)
        self.counts.accepted += 1
        self.counts.hints += not callback.signed
        self.counts.duplicates += repeated
        if self.observers:
            self._notify(callback, repeated)
        if inbound and not repeated:
            self.commands.add(inbound_command(callback))
        elif not repeated:
            self.bus.publish(callback)
        return 204

    def _notify(self, callback: Callback, repeated: bool) -> None:
        event = CallbackReceived(
            vendor=callback.vendor,
            product=callback.product,
            name=callback.name,
            status=callback.status,
            signed=callback.signed,
            duplicate=repeated,
        )
        notify(self.observers, event)

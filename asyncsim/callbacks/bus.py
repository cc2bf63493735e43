"""From the listener to the waits: callbacks find who waits for them, now or a little later."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import TypeVar

from attrs import define, field, frozen

from asyncsim.clock import Clock

logger = logging.getLogger("asyncsim")


@frozen(kw_only=True, slots=False)  # thirteen attributes: frozen slots take twice as long to fill
class Callback:
    """One callback with a genuine ticket: a hint of what happened, to be confirmed by a read.

    `name` is what the update addressed (SID or unique name), `nonce` its ticket's. `signed` is
    True only when the vendor's signature was verified over all of it; a GET from KORE never is.
    The other attributes are the callback's parameters, None where it had none.
    """

    vendor: str
    product: str
    name: str
    nonce: str = field(repr=False)
    signed: bool
    method: str
    sid: str | None = None
    status: str | None = None
    unique_name: str | None = None
    account_sid: str | None = None
    error_code: int | None = None
    error_message: str | None = None
    params: Mapping[str, str] = field(factory=dict, repr=False)


Handler = Callable[[Callback], bool]
"""Told of each callback of its product; answers whether a wait of its took it."""

LONGEST_TOKEN = 256  # characters; what a sender may make us remember is bounded

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")
_Address = tuple[str, str, str]  # vendor, product, addressed name


@define(eq=False)
class Bus:
    """Routes callbacks to handlers, and keeps for a while those that nobody took.

    A callback may overtake the wait that wants it, for instance after a restart.
    """

    clock: Clock
    limit: int = 10_000
    """Of names with kept callbacks, and of remembered idempotency tokens."""
    keep_for: float = 300.0
    keep_each: int = 4
    """Kept callbacks of one name; Programmable Wireless sends two for one update."""
    _handlers: dict[tuple[str, str], list[Handler]] = field(factory=dict, init=False)
    _kept: OrderedDict[_Address, list[tuple[float, Callback]]] = field(
        factory=OrderedDict, init=False
    )
    _seen: OrderedDict[tuple[object, ...], None] = field(factory=OrderedDict, init=False)

    def subscribe(self, vendor: str, product: str, handler: Handler) -> Callable[[], None]:
        """Route a product's callbacks to `handler`; the result takes it off again."""
        handlers = self._handlers.setdefault((vendor, product), [])
        handlers.append(handler)

        def unsubscribe() -> None:
            if handler in handlers:
                handlers.remove(handler)

        return unsubscribe

    def is_repeated(self, callback: Callback, token: str) -> bool:
        """Tell whether this delivery was seen before, and remember it.

        Call it only for callbacks that passed verification. What was not signed is remembered
        apart: it must never make a signed callback look like a repetition. Without a token, or
        with one too long to keep, it cannot be told.
        """
        if not 0 < len(token) <= LONGEST_TOKEN:
            return False
        key = (callback.vendor, callback.nonce, callback.signed, token)
        repeated = key in self._seen
        self._seen[key] = None
        self._seen.move_to_end(key)
        _trim(self._seen, self.limit)
        return repeated

    def publish(self, callback: Callback) -> bool:
        """Tell every handler of the product; what none of them takes is kept."""
        handlers = tuple(self._handlers.get((callback.vendor, callback.product), ()))
        # All are told, not only up to the first: two clients may wait for the same SIM.
        taken = [handler for handler in handlers if _offer(handler, callback)]
        if not taken:
            self._keep(callback)
        return bool(taken)

    def take_kept(self, vendor: str, product: str, name: str) -> list[Callback]:
        """Hand over what was kept for a name, oldest first, and keep it no longer."""
        fresh_from = self.clock.now() - self.keep_for
        kept = self._kept.pop((vendor, product, name), [])
        return [callback for came, callback in kept if came > fresh_from]

    def _keep(self, callback: Callback) -> None:
        now = self.clock.now()
        address = (callback.vendor, callback.product, callback.name)
        kept = [*self._kept.pop(address, ()), (now, callback)]
        self._kept[address] = kept[-self.keep_each :]
        _trim(self._kept, self.limit)
        self._forget_expired(now)

    def _forget_expired(self, now: float) -> None:
        # The order is that of each name's newest callback, so the oldest is always in front.
        while self._kept and next(iter(self._kept.values()))[-1][0] <= now - self.keep_for:
            self._kept.popitem(last=False)


def _offer(handler: Handler, callback: Callback) -> bool:
    try:
        return handler(callback)
    except Exception:
        logger.exception("a handler of callbacks raised on %r", callback)
        return False


def _trim(entries: OrderedDict[_Key, _Value], limit: int) -> None:
    while len(entries) > limit:
        entries.popitem(last=False)

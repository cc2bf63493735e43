"""The callback bus: routes callbacks to subscribers."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Self, TypeVar

from attrs import define, field, frozen

from asyncsim.clock import Clock

logger = logging.getLogger("asyncsim")


@frozen(kw_only=True, slots=False)  # thirteen attributes: frozen slots take twice as long to fill
class Callback:
    """One callback with a valid ticket: unconfirmed until a fetch shows the same.

    `name` is the SID or unique name that the update addressed, `nonce` its ticket's. `signed` is
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

    @classmethod
    def of(
        cls,
        *,
        vendor: str,
        product: str,
        name: str,
        nonce: str,
        signed: bool,
        method: str,
        params: Mapping[str, str],
    ) -> Self:
        """Build one from what a request proved, and the parameters it had."""
        code = params.get("ErrorCode", "")
        return cls(
            vendor=vendor,
            product=product,
            name=name,
            nonce=nonce,
            signed=signed,
            method=method,
            # A callback about a Command, or an eSIM, names its SIM too. No document has the
            # parameters of an eSIM's callback; if they are others, it is unconfirmed like one
            # without a SID.
            sid=params.get("CommandSid", params.get("ESimProfileSid", params.get("SimSid"))),
            status=params.get("SimStatus", params.get("Status")),
            unique_name=params.get("SimUniqueName"),
            account_sid=params.get("AccountSid"),
            error_code=int(code) if code.isascii() and code.isdigit() and len(code) < 10 else None,
            error_message=params.get("ErrorMessage"),
            params=params,
        )


Subscriber = Callable[[Callback], bool]
"""Called with each callback of its product; returns whether one of its waits claimed it."""

MAX_TOKEN = 256
"""Characters of an idempotency token: a bound on what a sender can make us store."""

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")
_Address = tuple[str, str, str]  # vendor, product, addressed name


@define(eq=False)
class CallbackBus:
    """Routes callbacks to subscribers, and keeps unclaimed ones for a while.

    A callback may arrive before its wait is registered, for instance after a restart.
    """

    clock: Clock
    limit: int = 10_000
    """The most names with unclaimed callbacks, and the most remembered idempotency tokens."""
    keep_for: float = 300.0
    keep_each: int = 4
    """The most unclaimed callbacks of one name; Programmable Wireless sends two for one update."""
    _subscribers: dict[tuple[str, str], list[Subscriber]] = field(factory=dict, init=False)
    _unclaimed: OrderedDict[_Address, list[tuple[float, Callback]]] = field(
        factory=OrderedDict, init=False
    )
    """With the time of arrival; names in the order of their newest callback."""
    _seen: OrderedDict[tuple[object, ...], None] = field(factory=OrderedDict, init=False)

    def subscribe(self, vendor: str, product: str, subscriber: Subscriber) -> Callable[[], None]:
        """Route a product's callbacks to `subscriber`; returns a function that unsubscribes it."""
        subscribers = self._subscribers.setdefault((vendor, product), [])
        subscribers.append(subscriber)

        def unsubscribe() -> None:
            if subscriber in subscribers:
                subscribers.remove(subscriber)

        return unsubscribe

    def is_duplicate(self, callback: Callback, token: str) -> bool:
        """Tell whether this idempotency token was seen before, and remember it.

        Call it only for callbacks that passed verification. Unsigned ones are remembered apart:
        they must never make a signed callback look like a duplicate. Without a token, or with one
        too long to keep, none is a duplicate.
        """
        if not 0 < len(token) <= MAX_TOKEN:
            return False
        key = (callback.vendor, callback.nonce, callback.signed, token)
        duplicate = key in self._seen
        self._seen[key] = None
        self._seen.move_to_end(key)
        _trim(self._seen, self.limit)
        return duplicate

    def publish(self, callback: Callback) -> bool:
        """Call every subscriber of the product; keep the callback when none claims it."""
        claimed = False
        # All are called, not only up to the first: two clients may wait for the same SIM. A copy,
        # because a subscriber may unsubscribe meanwhile.
        for subscriber in tuple(self._subscribers.get((callback.vendor, callback.product), ())):
            try:
                claimed = subscriber(callback) or claimed
            except Exception:
                logger.exception("a callback handler raised on %r", callback)
        if not claimed:
            self._keep(callback)
        return claimed

    def take_unclaimed(self, vendor: str, product: str, name: str) -> list[Callback]:
        """Remove and return the callbacks kept for a name, oldest first."""
        expired_at = self.clock.now() - self.keep_for
        kept = self._unclaimed.pop((vendor, product, name), [])
        return [callback for arrived, callback in kept if arrived > expired_at]

    def _keep(self, callback: Callback) -> None:
        now = self.clock.now()
        address = (callback.vendor, callback.product, callback.name)
        kept = [*self._unclaimed.pop(address, ()), (now, callback)]
        self._unclaimed[address] = kept[-self.keep_each :]
        _trim(self._unclaimed, self.limit)
        # Names are in the order of their newest callback, so expired ones are always in front.
        while (
            self._unclaimed and next(iter(self._unclaimed.values()))[-1][0] <= now - self.keep_for
        ):
            self._unclaimed.popitem(last=False)


def _trim(entries: OrderedDict[_Key, _Value], limit: int) -> None:
    while len(entries) > limit:
        entries.popitem(last=False)

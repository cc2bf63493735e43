"""What a client sees of its receiver: its own desk."""

from __future__ import annotations

from collections.abc import Callable

from asyncsim.callbacks.bus import Bus, Callback, Handler
from asyncsim.callbacks.secrets import Keyring, Keys


class Desk:
    """One client's place at a receiver: made by `CallbackReceiver.register`, until `close`."""

    def __init__(
        self, keys: Keys, keyring: Keyring, bus: Bus, public_url: Callable[[], str]
    ) -> None:
        self._keys = keys
        self._keyring = keyring
        self._bus = bus
        self._public_url = public_url
        self._subscriptions: list[Callable[[], None]] = []
        keyring.join(keys)

    def ticket(self, product: str, name: str) -> tuple[str, str]:
        """Issue a callback URL for one update of the SIM addressed as `name`, and its nonce.

        ReceiverError when the receiver does not know its public URL yet.
        """
        issued = self._keyring.issue(self._keys, product, name)
        return self._public_url() + issued.path, issued.nonce

    def subscribe(self, product: str, handler: Handler) -> None:
        """Have `handler` told of this vendor's callbacks for a product.

        It answers whether one of its waits took the callback; what nobody takes is kept.
        """
        self._subscriptions.append(self._bus.subscribe(self._keys.vendor.name, product, handler))

    def kept(self, product: str, name: str) -> list[Callback]:
        """Take the callbacks for `name` that came before anybody waited, oldest first."""
        return self._bus.take_kept(self._keys.vendor.name, product, name)

    def close(self) -> None:
        """Leave: no handler is called any more, and the receiver forgets the client's secrets."""
        while self._subscriptions:
            self._subscriptions.pop()()
        self._keyring.leave(self._keys)

"""All secrets of one receiver: its own, and those its clients bring and take away again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from attrs import define, field, frozen

from asyncsim.callbacks import tickets
from asyncsim.core import signatures
from asyncsim.core.signatures import Mac
from asyncsim.errors import ConfigurationError, ReceiverError, SignatureError
from asyncsim.vendors import VENDORS, Vendor


@define(kw_only=True)
class Delivery:
    """One request as its signature sees it; `params` is None for a body that is no form."""

    vendor: Vendor
    method: str
    url: str
    body: bytes
    params: Mapping[str, list[str]] | None
    signature: str


@frozen(kw_only=True, eq=False)
class Keys:
    """What one client brings: nothing of it is ever shown."""

    vendor: Vendor
    signing: tuple[str, ...] = field(repr=False)
    ticket: bytes = field(repr=False)


@define(eq=False, repr=False)
class Keyring:
    """Signs tickets with the first secret, verifies tickets and signatures with all."""

    own_tickets: tuple[bytes, ...]
    own_signing: Mapping[str, tuple[str, ...]]
    """By the vendor's name."""
    clients: tuple[Keys, ...] = field(default=(), init=False)
    # Of all; made when clients come and go, as they are needed with each callback.
    _ticket_keys: tuple[Mac, ...] = field(init=False)
    _signing: Mapping[str, tuple[str, ...]] = field(init=False)
    """By the vendor's name."""
    _twilio_keys: tuple[Mac, ...] = field(init=False)

    def __attrs_post_init__(self) -> None:
        """Begin without clients."""
        self._arrange(())

    def join(self, keys: Keys) -> None:
        """Take in what a client brings."""
        self._arrange((*self.clients, keys))

    def leave(self, keys: Keys) -> None:
        """Forget what a client brought."""
        self._arrange(tuple(one for one in self.clients if one is not keys))

    def _arrange(self, clients: tuple[Keys, ...]) -> None:
        self.clients = clients
        brought = (keys.ticket for keys in clients)
        secrets = dict.fromkeys((*self.own_tickets, *brought))
        self._ticket_keys = tuple(map(tickets.key, secrets))
        self._signing = {name: self._signing_of(vendor) for name, vendor in VENDORS.items()}
        self._twilio_keys = tuple(map(signatures.twilio_key, self._signing["twilio"]))

    def issue(self, keys: Keys, product: str, name: str) -> tickets.Ticket:
        """Issue a ticket; the receiver's own first secret goes before the client's."""
        secret = self.own_tickets[0] if self.own_tickets else keys.ticket
        return tickets.issue(secret, keys.vendor.name, product, name)

    def issue_any(self, vendor: str, product: str, name: str) -> tickets.Ticket:
        """Issue a ticket that belongs to no client in particular."""
        if vendor not in VENDORS or product not in ("wireless", "supersim"):
            raise ValueError(f"{vendor!r} and {product!r}: no Command comes from there")
        found = [keys.ticket for keys in self.clients if keys.vendor.name == vendor]
        secrets = [*self.own_tickets, *found]
        if not secrets:
            raise ReceiverError(
                "the receiver has no secret to sign with: give it ticket_secrets=[...], or open a"
                f" client of {vendor} that uses it first"
            )
        return tickets.issue(secrets[0], vendor, product, name)

    def read(self, tail: Sequence[str]) -> tickets.ReadTicket:
        """Read a ticket; SignatureError when none of the secrets made it."""
        ticket = tickets.read(tail, self._ticket_keys)
        if ticket is None:
            raise SignatureError("the ticket is not one of ours")
        return ticket

    def verify(self, delivery: Delivery) -> bool:
        """Tell whether the vendor's signature proves the callback; SignatureError if it lies.

        False means a hint: the vendor has no secret here, or did not sign this.
        """
        secrets = self._signing[delivery.vendor.name]
        if not secrets:
            return False
        # KORE's signature leaves out the query, which is all that a GET has to say.
        says_nothing = delivery.vendor.name == "kore" and delivery.method == "GET"
        if self._fits(secrets, delivery):
            return not says_nothing
        if self._may_be_unverifiable(delivery.vendor):
            return False
        if says_nothing and not delivery.signature:
            return False
        raise SignatureError(f"the signature is {'wrong' if delivery.signature else 'missing'}")

    def _fits(self, secrets: tuple[str, ...], delivery: Delivery) -> bool:
        one = delivery
        if one.vendor.name == "twilio":
            return signatures.verify_twilio(
                self._twilio_keys, one.url, one.params, one.signature, body=one.body
            )
        return signatures.verify_kore(secrets, one.method, one.url, one.body, one.signature)

    def _may_be_unverifiable(self, vendor: Vendor) -> bool:
        """Whether a client of this vendor came without a secret, and the receiver has none.

        Two accounts can share a receiver, and one may know only an API key, which signs no
        callback (Twilio docs, "Secure webhooks"). Its callbacks are hints, not forgeries.
        """
        if self.own_signing.get(vendor.name):
            return False
        return any(not keys.signing for keys in self._of(vendor))

    def _signing_of(self, vendor: Vendor) -> tuple[str, ...]:
        brought = (secret for keys in self._of(vendor) for secret in keys.signing)
        return tuple(dict.fromkeys((*self.own_signing.get(vendor.name, ()), *brought)))

    def _of(self, vendor: Vendor) -> list[Keys]:
        return [keys for keys in self.clients if keys.vendor.name == vendor.name]


def checked(secrets: Iterable[str], what: str) -> tuple[str, ...]:
    """Return secrets as a tuple; ConfigurationError for what would let anybody in."""
    # A lone string would count as a sequence of secrets of one letter each.
    if isinstance(secrets, (str, bytes)):
        raise ConfigurationError(f"{what} takes a list of secrets, not a single text")
    found = tuple(secrets)
    if not all(isinstance(secret, str) and secret for secret in found):
        raise ConfigurationError(f"{what} holds an empty secret, or one that is no text")
    return found


def by_vendor(twilio: Iterable[str], kore: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Arrange the receiver's own signing secrets by vendor."""
    given = {
        "twilio": checked(twilio, "twilio_auth_tokens"),
        "kore": checked(kore, "kore_webhook_secrets"),
    }
    return {name: given[name] for name in VENDORS}

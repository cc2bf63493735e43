"""All secrets of one receiver: its own, and those its clients bring and take away again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from attrs import define, field, frozen

from asyncsim.callbacks import tickets
from asyncsim.core import signatures
from asyncsim.core.signatures import Mac
from asyncsim.errors import ConfigurationError, ReceiverError, SignatureError
from asyncsim.redaction import redact_all
from asyncsim.validation import invalid_characters
from asyncsim.vendors import VENDORS, Vendor


@define(kw_only=True)
class Delivery:
    """One request as its signature sees it; `params` is None for a body that is no form."""

    vendor: Vendor
    account: str
    """Whose ticket it came with, by its tag."""
    method: str
    urls: Sequence[str]
    """As the vendor may have spelled it: as issued, and as it came in."""
    body: bytes
    params: Mapping[str, list[str]] | None
    signature: str


@frozen(kw_only=True, eq=False)
class Keys:
    """What one client brings: nothing of it is ever shown."""

    vendor: Vendor
    signing: tuple[str, ...] = field(repr=False)
    ticket: bytes = field(repr=False)
    account: str = field(init=False)
    """The tag in this account's tickets."""

    def __attrs_post_init__(self) -> None:
        """Derive the tag; it is the same in all replicas."""
        object.__setattr__(self, "account", tickets.account_tag(self.ticket))


@define(eq=False, repr=False)
class Keyring:
    """Signs tickets with the first secret, verifies tickets and signatures with all."""

    own_tickets: tuple[bytes, ...]
    own_signing: Mapping[str, tuple[str, ...]]
    """By the vendor's name."""
    clients: tuple[Keys, ...] = field(default=(), init=False)
    # Made when clients come and go, as they are needed with each callback.
    _ticket_keys: tuple[Mac, ...] = field(init=False)
    _of_receiver: Mapping[str, _Signing] = field(init=False)
    """By the vendor's name."""
    _of_accounts: Mapping[tuple[str, str], _Signing] = field(init=False)
    """By the vendor's name and the account's tag."""

    def __attrs_post_init__(self) -> None:
        """Begin without clients."""
        self._of_receiver = {name: _Signing.of(self.own_signing.get(name, ())) for name in VENDORS}
        self._arrange(())

    def join(self, keys: Keys) -> None:
        """Take in what a client brings."""
        self._arrange((*self.clients, keys))

    def leave(self, keys: Keys) -> None:
        """Forget what a client brought."""
        self._arrange(tuple(one for one in self.clients if one is not keys))

    def _arrange(self, clients: tuple[Keys, ...]) -> None:
        self.clients = clients
        secrets = dict.fromkeys((*self.own_tickets, *(keys.ticket for keys in clients)))
        self._ticket_keys = tuple(map(tickets.key, secrets))
        brought: dict[tuple[str, str], tuple[str, ...]] = {}
        for keys in clients:  # two of one account may know different ones
            for account in (keys.account, tickets.NO_ACCOUNT):
                at = (keys.vendor.name, account)
                brought[at] = (*brought.get(at, ()), *keys.signing)
        self._of_accounts = {at: _Signing.of(secrets) for at, secrets in brought.items()}

    def issue(self, keys: Keys, product: str, name: str) -> tickets.Ticket:
        """Issue a ticket; the receiver's own first secret goes before the client's."""
        secret = self.own_tickets[0] if self.own_tickets else keys.ticket
        return tickets.issue(secret, keys.vendor.name, product, name, keys.account)

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

        Only secrets that a client brought prove anything, and only for tickets of its account:
        one who knows another account's secret, such as that account's owner, could sign whatever
        he likes with it. Secrets given to the receiver belong to no account in particular, so
        they tell true from false, but what they sign is to be confirmed by a read. False means
        such a hint, or that there is no secret to verify it with.
        """
        # KORE's signature leaves out the query, which is all that a GET has to say.
        says_nothing = delivery.vendor.name == "kore" and delivery.method == "GET"
        brought = self._of_accounts.get((delivery.vendor.name, delivery.account), _NONE)
        if brought.fits(delivery):
            return not says_nothing
        own = self._of_receiver[delivery.vendor.name]
        if not brought.secrets and not own.secrets:
            # Its client knows only an API key, say, which signs no callback (Twilio docs, "Secure
            # webhooks"). These are hints, not forgeries.
            return False
        if own.fits(delivery) or (says_nothing and not delivery.signature):
            return False
        raise SignatureError(f"the signature is {'wrong' if delivery.signature else 'missing'}")


@frozen
class _Signing:
    """Secrets that callbacks may be signed with."""

    secrets: tuple[str, ...] = field(repr=False)
    twilio: tuple[Mac, ...] = field(repr=False)

    @classmethod
    def of(cls, secrets: Iterable[str]) -> _Signing:
        """Set up what is computed with them, each once."""
        each = tuple(dict.fromkeys(secrets))
        return cls(each, tuple(map(signatures.twilio_key, each)))

    def fits(self, one: Delivery) -> bool:
        """Tell whether one of them signed it."""
        if not self.secrets:
            return False
        for url in one.urls:  # noqa: SIM110  # a generator would cost each callback more
            if self._signed(one, url):
                return True
        return False

    def _signed(self, one: Delivery, url: str) -> bool:
        if one.vendor.name == "twilio":
            return signatures.verify_twilio(
                self.twilio, url, one.params, one.signature, body=one.body
            )
        return signatures.verify_kore(self.secrets, one.method, url, one.body, one.signature)


_NONE = _Signing((), ())


def checked(secrets: Iterable[str], what: str) -> tuple[str, ...]:
    """Return secrets as a tuple; ConfigurationError for what would let anybody in."""
    # A lone string would count as a sequence of secrets of one letter each.
    if isinstance(secrets, (str, bytes)):
        raise ConfigurationError(f"{what} takes a list of secrets, not a single text")
    found = tuple(redact_all(secrets))
    del secrets
    if not all(isinstance(secret, str) and secret for secret in found):
        raise ConfigurationError(f"{what} holds an empty secret, or one that is no text")
    if wrong := next(filter(None, map(invalid_characters, found)), None):
        raise ConfigurationError(f"{what} holds a secret with {wrong}")
    return found


def by_vendor(twilio: Iterable[str], kore: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Arrange the receiver's own signing secrets by vendor."""
    given = {
        "twilio": checked(twilio, "twilio_auth_tokens"),
        "kore": checked(kore, "kore_webhook_secrets"),
    }
    return {name: given[name] for name in VENDORS}

"""The secret store of a receiver: its own secrets, and those of the clients registered with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress

from attrs import define, field, frozen

from asyncsim.callbacks import tickets
from asyncsim.core.signatures import Mac, twilio_key
from asyncsim.errors import ConfigurationError, ReceiverError, SignatureError
from asyncsim.redaction import redact_all
from asyncsim.validation import invalid_characters
from asyncsim.vendors import VENDORS, Vendor


@frozen(kw_only=True, eq=False)
class ClientSecrets:
    """The secrets that one client registers; never shown."""

    vendor: Vendor
    account: str
    """The tag in this account's tickets, the same in all replicas."""
    signing: tuple[str, ...] = field(repr=False)
    tickets: tuple[bytes, ...] = field(repr=False)
    """The first signs, unless the receiver has secrets of its own; all verify."""


@frozen
class SigningSecrets:
    """Secrets that callbacks may be signed with, and their HMAC keys."""

    secrets: tuple[str, ...] = field(repr=False)
    twilio_keys: tuple[Mac, ...] = field(repr=False)

    @classmethod
    def of(cls, secrets: Iterable[str]) -> SigningSecrets:
        """Set up each distinct secret once."""
        distinct = tuple(dict.fromkeys(secrets))
        return cls(distinct, tuple(map(twilio_key, distinct)))


_NO_SECRETS = SigningSecrets((), ())


@define(eq=False, repr=False)
class SecretStore:
    """Signs tickets with the first ticket secret; gives `verify` all that may apply."""

    own_tickets: tuple[bytes, ...]
    own_signing: Mapping[str, tuple[str, ...]]
    """By the vendor's name."""
    clients: tuple[ClientSecrets, ...] = field(default=(), init=False)
    further_tickets: tuple[bytes, ...] = field(default=(), init=False)
    """Of other processes: they verify tickets, and sign none."""
    # Derived when clients register and leave, because every callback needs them.
    ticket_keys: tuple[Mac, ...] = field(init=False)
    scopes: tuple[str, ...] = field(init=False)
    """Those of the tickets that are issued here, and by other processes with the same secrets."""
    _verifying: tuple[bytes, ...] = field(init=False)
    _of_receiver: Mapping[str, SigningSecrets] = field(init=False)
    """By the vendor's name."""
    _of_accounts: Mapping[tuple[str, str], SigningSecrets] = field(init=False)
    """By the vendor's name and the account's tag."""

    def __attrs_post_init__(self) -> None:
        """Start without clients."""
        self._of_receiver = {
            name: SigningSecrets.of(self.own_signing.get(name, ())) for name in VENDORS
        }
        self._set_clients(())

    def add(self, client: ClientSecrets) -> None:
        """Add a client's secrets."""
        self._set_clients((*self.clients, client))

    def replace(self, old: ClientSecrets, new: ClientSecrets) -> None:
        """Replace a client's secrets; ignored when they are gone."""
        self._set_clients(tuple(new if one is old else one for one in self.clients))

    def remove(self, client: ClientSecrets) -> None:
        """Remove a client's secrets; ignored when they are gone."""
        self._set_clients(tuple(one for one in self.clients if one is not client))

    def set_further_tickets(self, secrets: Iterable[bytes]) -> None:
        """Replace the ticket secrets of other processes."""
        self.further_tickets = tuple(secrets)
        self._set_clients(self.clients)

    def _set_clients(self, clients: tuple[ClientSecrets, ...]) -> None:
        self.clients = clients
        of_clients = (secret for one in clients for secret in one.tickets)
        issuing = dict.fromkeys((*self.own_tickets, *of_clients))
        self.scopes = tuple(map(tickets.scope_of, issuing))
        self._verifying = tuple(dict.fromkeys((*issuing, *self.further_tickets)))
        self.ticket_keys = tuple(map(tickets.key, self._verifying))
        signing: dict[tuple[str, str], tuple[str, ...]] = {}
        for client in clients:  # two clients of one account may know different secrets
            for account in (client.account, tickets.NO_ACCOUNT):
                address = (client.vendor.name, account)
                signing[address] = (*signing.get(address, ()), *client.signing)
        self._of_accounts = {
            address: SigningSecrets.of(secrets) for address, secrets in signing.items()
        }

    def scope_of(self, segments: Sequence[str]) -> str:
        """Return the scope of a valid ticket: that of the secret that signed it."""
        for secret, key in zip(self._verifying, self.ticket_keys, strict=True):
            with suppress(SignatureError):
                tickets.verify_ticket(segments, [key])
                return tickets.scope_of(secret)
        raise SignatureError("the ticket is not one of ours")

    def of_account(self, vendor: str, account: str) -> SigningSecrets:
        """Signing secrets that clients of this account brought; `account` is a ticket's tag."""
        return self._of_accounts.get((vendor, account), _NO_SECRETS)

    def of_receiver(self, vendor: str) -> SigningSecrets:
        """Signing secrets that were given to the receiver, for any account."""
        return self._of_receiver[vendor]

    def issue_ticket(self, client: ClientSecrets, product: str, name: str) -> tickets.IssuedTicket:
        """Issue a ticket; the receiver's own first secret takes precedence over the client's."""
        secret = (*self.own_tickets, *client.tickets)[0]
        return tickets.issue_ticket(secret, client.vendor.name, product, name, client.account)

    def issue_shared_ticket(self, vendor: str, product: str, name: str) -> tickets.IssuedTicket:
        """Issue a ticket that belongs to no account in particular."""
        of_clients = [one.tickets[0] for one in self.clients if one.vendor.name == vendor]
        secrets = [*self.own_tickets, *of_clients]
        if not secrets:
            raise ReceiverError(
                "the receiver has no secret to sign with: pass ticket_secrets=[...], or open a"
                f" client of {vendor} that uses it first"
            )
        return tickets.issue_ticket(secrets[0], vendor, product, name)


def checked_secrets(secrets: Iterable[str], parameter: str) -> tuple[str, ...]:
    """Return secrets as a tuple; ConfigurationError for one that would accept anyone."""
    # A single string would count as a sequence of one-letter secrets.
    if isinstance(secrets, (str, bytes)):
        raise ConfigurationError(f"{parameter} takes a list of secrets, not a single text")
    found = tuple(redact_all(secrets))
    del secrets  # a traceback with locals would show it; `found` is redacted
    if not all(isinstance(secret, str) and secret for secret in found):
        raise ConfigurationError(f"{parameter} holds an empty secret, or one that is not text")
    if problem := next(filter(None, map(invalid_characters, found)), None):
        raise ConfigurationError(f"{parameter} holds a secret with {problem}")
    return found

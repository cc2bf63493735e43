"""The clients of a process: one for each account that it works for."""

from __future__ import annotations

from collections.abc import Iterable

from asyncsim.bulk.phases import account_of
from asyncsim.bulk.records import account_key
from asyncsim.client import Client
from asyncsim.errors import ConfigurationError, Unsupported
from asyncsim.vendors import Product


def by_account(clients: Iterable[Client]) -> dict[str, Client]:
    """Return the client of each account, by the key of its jobs."""
    found: dict[str, Client] = {}
    for client in clients:
        for product in (Product.SUPERSIM, Product.WIRELESS):
            try:
                account = account_of(client, product)
            except Unsupported:
                continue
            key = account_key(client.vendor.name, product.value, account)
            if key in found:
                raise ConfigurationError(f"two clients of one account: {account}; pass one of them")
            found[key] = client
    if not found:
        raise ConfigurationError("no clients: pass one for each account to work for")
    return found

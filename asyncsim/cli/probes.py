"""Probes: one cheap request per product, to see whether the credentials work."""

from __future__ import annotations

from attrs import frozen

from asyncsim import AsyncSimError, Client, RetryPolicy, Timeout
from asyncsim.cli.accounts import sims_of
from asyncsim.client import Settings

PROBE_SETTINGS: Settings = {
    "retry": RetryPolicy(attempts=2),
    "timeout": Timeout(request=10.0, queue=20.0),
}
"""A person waits for the result."""

PRODUCTS = ("supersim", "wireless")


@frozen
class Probe:
    """What one product's API responded."""

    product: str
    error: AsyncSimError | None


async def probe_products(client: Client) -> list[Probe]:
    """List one SIM of each product."""
    return [Probe(product, await _probe(client, product)) for product in PRODUCTS]


async def _probe(client: Client, product: str) -> AsyncSimError | None:
    try:
        await sims_of(client, product).list(page_size=1)
    except AsyncSimError as error:
        return error
    return None

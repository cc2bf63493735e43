"""From the name of a SIM, as people have it, to the SIM."""

from __future__ import annotations

from asyncsim import NotFound
from asyncsim.cli.accounts import Sim, Sims
from asyncsim.cli.exits import CommandError, Exit
from asyncsim.validation import looks_like_iccid, looks_like_sid

_PRODUCTS = {"HS": "supersim", "DE": "wireless"}


def check_product(product: str, name: str) -> None:
    """Refuse the SID of the other product, with the option that helps."""
    if (prefix := name[:2]) in _PRODUCTS and looks_like_sid(name) and _PRODUCTS[prefix] != product:
        raise CommandError(f"{name} is a SIM of the other product: --product {_PRODUCTS[prefix]}")


async def find(sims: Sims, name: str) -> Sim | None:
    """Find one SIM by SID, unique name or ICCID."""
    if looks_like_iccid(name):
        page = await sims.list(iccid=name)
        if page.bad:
            raise page.bad[0].error
        return page.items[0] if page.items else None
    try:
        return await sims.fetch(name)
    except NotFound:
        return None


async def find_one(sims: Sims, name: str) -> Sim:
    """Find one SIM; CommandError if there is none."""
    found = await find(sims, name)
    if found is None:
        raise CommandError(f"no SIM of this account and product is called {name}", Exit.FAILED)
    return found

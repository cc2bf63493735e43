"""From names in a file to SIMs of the account, before anything is sent."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from asyncsim import NotFound
from asyncsim.cli.accounts import Sim, Sims
from asyncsim.cli.batch import Entry, line_numbers
from asyncsim.cli.exits import CommandError

_FEW = 10
"""Up to this many names are asked for one by one; for more, the list is walked once."""

_ICCID = re.compile(r"\d{18,22}")
_SID = re.compile(r"[A-Z]{2}[0-9a-fA-F]{32}")
_PRODUCTS = {"HS": "supersim", "DE": "wireless"}
_LISTED = 5


def check_product(product: str, name: str) -> None:
    """Refuse the SID of the other product, with the option that helps."""
    if (prefix := name[:2]) in _PRODUCTS and _SID.fullmatch(name) and _PRODUCTS[prefix] != product:
        raise CommandError(f"{name} is a SIM of the other product: --product {_PRODUCTS[prefix]}")


def is_iccid(name: str) -> bool:
    """Tell whether a name has the form of an ICCID; no vendor takes it in place of the SID."""
    return _ICCID.fullmatch(name) is not None


async def find(sims: Sims, name: str) -> Sim | None:
    """Find one SIM by SID, unique name or ICCID."""
    if is_iccid(name):
        page = await sims.list(iccid=name)
        return page.items[0] if page.items else None
    try:
        return await sims.fetch(name)
    except NotFound:
        return None


async def find_one(sims: Sims, name: str) -> Sim:
    """Find one SIM; CommandError if there is none."""
    found = await find(sims, name)
    if found is None:
        raise CommandError(f"no SIM of this account and product is called {name}")
    return found


async def resolve(sims: Sims, entries: Sequence[Entry]) -> dict[str, Sim]:
    """Find all SIMs of a file, by SID, in the file's order; CommandError lists what is wrong."""
    found = await _find_all(sims, {entry.name for entry in entries})
    problems = [*_unknown(entries, found), *_doubled(entries, found)]
    if problems:
        raise CommandError(f"nothing was sent: {'; '.join(problems)}")
    return {found[entry.name].sid: found[entry.name] for entry in entries}


async def _find_all(sims: Sims, names: set[str]) -> dict[str, Sim]:
    if len(names) > _FEW:
        return await _walk(sims, names)
    answers = [(name, await find(sims, name)) for name in sorted(names)]
    return {name: sim for name, sim in answers if sim is not None}


async def _walk(sims: Sims, names: set[str]) -> dict[str, Sim]:
    """Walk the list until all are found: one request for each 1,000 SIMs of the account."""
    found: dict[str, Sim] = {}
    async for page in sims.list(page_size=1000).pages():
        for sim in page.items:
            found.update((name, sim) for name in _names(sim) if name in names)
        if len(found) == len(names):
            break
    return found


def _names(sim: Sim) -> Iterable[str]:
    return (name for name in (sim.sid, sim.iccid, sim.unique_name) if name)


def _unknown(entries: Sequence[Entry], found: Mapping[str, Sim]) -> Iterable[str]:
    unknown = [entry for entry in entries if entry.name not in found]
    if unknown:
        names = ", ".join(entry.name for entry in unknown[:_LISTED])
        where = line_numbers(unknown)
        yield f"{len(unknown):,} unknown to this account and product, {where}: {names}"


def _doubled(entries: Sequence[Entry], found: Mapping[str, Sim]) -> Iterable[str]:
    """Entries whose SIM was named before, perhaps by another of its names."""
    seen: set[str] = set()
    doubled = []
    for entry in entries:
        sid = found[entry.name].sid if entry.name in found else entry.name
        if sid in seen:
            doubled.append(entry)
        seen.add(sid)
    if doubled:
        yield f"{len(doubled):,} named more than once, {line_numbers(doubled)}"

"""A next page URL at another host is requested from the vendor's own host, for every list."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import urlsplit

import pytest

from asyncsim.events import ForeignPage
from tests.http.server import Received, ScriptedResponse, Server
from tests.resources.conftest import OpenScripted
from tests.resources.scripted import sid
from tests.test_surface_all_kinds import SURFACE

Listing = Callable[[Any], Any]

LISTS: dict[str, Listing] = {
    "wireless.sims": lambda c: c.wireless.sims.list(),
    "wireless.rate_plans": lambda c: c.wireless.rate_plans.list(),
    "wireless.commands": lambda c: c.wireless.commands.list(),
    "wireless.data_sessions": lambda c: c.wireless.data_sessions.list(sid("DE")),
    "wireless.usage_records": lambda c: c.wireless.usage_records.list(sid("DE")),
    "wireless.account_usage_records": lambda c: c.wireless.account_usage_records.list(),
    "supersim.sims": lambda c: c.supersim.sims.list(),
    "supersim.billing_periods": lambda c: c.supersim.billing_periods.list(sid("HS")),
    "supersim.ip_addresses": lambda c: c.supersim.ip_addresses.list(sid("HS")),
    "supersim.fleets": lambda c: c.supersim.fleets.list(),
    "supersim.networks": lambda c: c.supersim.networks.list(),
    "supersim.network_access_profiles": lambda c: c.supersim.network_access_profiles.list(),
    "supersim.network_access_profile_networks": (
        lambda c: c.supersim.network_access_profile_networks.list(sid("HA"))
    ),
    "supersim.sms_commands": lambda c: c.supersim.sms_commands.list(),
    "supersim.ip_commands": lambda c: c.supersim.ip_commands.list(),
    "supersim.esim_profiles": lambda c: c.supersim.esim_profiles.list(),
    "supersim.settings_updates": lambda c: c.supersim.settings_updates.list(),
    "supersim.usage_records": lambda c: c.supersim.usage_records.list(),
    "monitor.events": lambda c: c.monitor.events.list(),
    "wireless.sims.history": lambda c: c.wireless.sims.history(sid("DE")),
}


@pytest.fixture
async def trap() -> AsyncIterator[Server]:
    """Another host, which must receive no request and no credentials."""
    async with Server() as server:
        yield server


def two_pages(key: str, foreign_url: str) -> Callable[[Received], Any]:
    async def script(one: Received) -> ScriptedResponse:
        url = urlsplit(one.raw_path)
        is_first = "PageToken" not in url.query
        following = f"{foreign_url}{url.path}?PageToken=second" if is_first else None
        return ScriptedResponse(200, {key: [], "meta": {"key": key, "next_page_url": following}})

    return script


def test_every_list_is_covered() -> None:
    listed = {path for path, verbs in SURFACE.items() if "list" in verbs}
    # KORE's secrets are paged by number; their page URLs are never used.
    assert listed | {"wireless.sims.history"} == {*LISTS, "webhooks.secrets"}


@pytest.mark.parametrize("vendor", ["twilio", "kore"])
@pytest.mark.parametrize("path", LISTS)
async def test_the_other_host_is_never_contacted(
    open_scripted_api: OpenScripted, trap: Server, vendor: str, path: str
) -> None:
    scripted = await open_scripted_api(vendor, monitor=True)
    is_history = path.endswith("history")
    namespace, name = ("monitor", "events") if is_history else path.split(".")
    key = getattr(getattr(scripted.client, namespace), name).kind.key
    scripted.script = two_pages(key, trap.url)
    assert [one async for one in LISTS[path](scripted.client)] == []
    assert trap.received == []
    assert len(scripted.request_lines) == 2
    assert scripted.request_lines[1].endswith("?PageToken=second")
    (foreign_page,) = [event for event in scripted.events if isinstance(event, ForeignPage)]
    assert foreign_page.origin == trap.url

"""Clients without `async with`, for notebooks and prompts."""

from __future__ import annotations

import asyncio
import inspect
import weakref
from collections.abc import MutableMapping
from typing import Unpack

from asyncsim.client import Client, Settings

_connected: MutableMapping[tuple[int, str, str, str], Client] = weakref.WeakValueDictionary()
"""Event loop, vendor, account and URL -> the client that `connect` opened last."""


async def connect(vendor: str | None = None, **settings: Unpack[Settings]) -> Client:
    """Open a client with the credentials in the environment, as `Client.from_env` finds them.

    For notebooks, where `async with` would end with its cell; close it with `await
    client.close()`. Connecting again to the same account, as running the cell again does, closes
    the client before: its pending waits end, and its later calls say so. For several clients of one
    account use `Client.from_env`.
    """
    client = Client.from_env(vendor, **settings)
    context = client.context
    loop = id(asyncio.get_running_loop())
    place = (loop, context.vendor.name, context.account, context.hosts.supersim or "")
    earlier = _connected.get(place)
    if earlier is not None:
        again = "asyncsim.connect() was called again for this account: use the client it returned"
        await earlier.context.close(again)
    try:
        await client.open()
    except BaseException:
        await client.close()
        raise
    _connected[place] = client
    return client


# For completion: the keywords themselves, as `expand_keywords` has found them there.
connect.__signature__ = inspect.signature(Client.from_env).replace(return_annotation=Client)  # type: ignore[attr-defined]  # functions take it

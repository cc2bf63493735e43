"""The operations, one file per kind; a new kind is a new file and a row in a table here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from asyncsim.emulator.context import Answer, Derived, Desk, Done, Pairs, Resource, render
from asyncsim.emulator.derived import on_derived_item, on_derived_list
from asyncsim.emulator.errors import Refusal, method_not_allowed, not_found
from asyncsim.emulator.lists import list_records
from asyncsim.emulator.monitor import events
from asyncsim.emulator.supersim import (
    billing_periods,
    esim_profiles,
    fleets,
    ip_addresses,
    ip_commands,
    network_access_profile_networks,
    network_access_profiles,
    networks,
    settings_updates,
    sims as supersim_sims,
    sms_commands,
    usage_records as supersim_usage,
)
from asyncsim.emulator.wireless import (
    commands,
    data_sessions,
    rate_plans,
    sims as wireless_sims,
    usage_records as wireless_usage,
)
from asyncsim.vendors import Product

RESOURCES: tuple[Resource, ...] = (
    wireless_sims.RESOURCE,
    rate_plans.RESOURCE,
    commands.RESOURCE,
    supersim_sims.RESOURCE,
    fleets.RESOURCE,
    networks.RESOURCE,
    network_access_profiles.RESOURCE,
    sms_commands.RESOURCE,
    ip_commands.RESOURCE,
    esim_profiles.RESOURCE,
    settings_updates.RESOURCE,
    events.RESOURCE,
)
"""Kinds whose records are kept."""

DERIVED: tuple[Derived, ...] = (
    data_sessions.RESOURCE,
    wireless_usage.OF_A_SIM,
    wireless_usage.OF_THE_ACCOUNT,
    billing_periods.RESOURCE,
    ip_addresses.RESOURCE,
    network_access_profile_networks.RESOURCE,
    supersim_usage.RESOURCE,
)
"""Kinds whose rows follow from other records."""

_ALL: tuple[Resource | Derived, ...] = (*RESOURCES, *DERIVED)
_PARENT = "{parent}"


def dispatch(
    desk: Desk, product: Product, method: str, path: Sequence[str], query: Pairs, form: Pairs
) -> Answer:
    """Find who deals with a request, and let them; raises `Refusal`.

    `path` is decoded, one element per segment, so a name may hold a slash.
    """
    one, name = _resource_at(product, path)
    parent = None if isinstance(one, Resource) else _parent_of(desk, one, path)
    allowed = _methods(one, of_item=name is not None)
    if not allowed:
        raise not_found("/" + "/".join(path))
    if method not in allowed:
        raise method_not_allowed(allowed)
    if isinstance(one, Derived):
        if name is None:
            return on_derived_list(desk, one, parent, method, query, form)
        return on_derived_item(desk, one, parent, method, name)
    if name is None:
        return _on_list(desk, one, method, query, form)
    return _on_item(desk, one, method, name, form)


def methods_at(product: Product, path: Sequence[str]) -> Sequence[str]:
    """The verbs that a path takes, none where there is nothing."""
    try:
        one, name = _resource_at(product, path)
    except Refusal:
        return ()
    return _methods(one, of_item=name is not None)


def _resource_at(product: Product, path: Sequence[str]) -> tuple[Resource | Derived, str | None]:
    """What a path leads to: a list, or with a name an item of it."""
    for one in _ALL:
        own = _segments(one.kind.path)
        if one.kind.product is product and _leads_to(own, path):
            return one, path[len(own)] if len(path) > len(own) else None
    raise not_found("/" + "/".join(path))


def _segments(path: str) -> list[str]:
    return path.strip("/").split("/")


def _leads_to(own: Sequence[str], path: Sequence[str]) -> bool:
    if len(path) - len(own) not in (0, 1):
        return False
    return all(mine in (_PARENT, given) for mine, given in zip(own, path, strict=False))


def _parent_of(desk: Desk, one: Derived, path: Sequence[str]) -> Any:
    if one.kind.parent is None:
        return None
    given = path[_segments(one.kind.path).index(_PARENT)]
    parent = desk.world.store(one.kind.parent).find(given)
    if parent is None:
        raise not_found(f"{one.kind.parent.path}/{given}")
    return parent


def _methods(one: Resource | Derived, *, of_item: bool) -> list[str]:
    if isinstance(one, Derived):  # rows that cannot be deleted are listed only
        has = {"GET": one.delete is not None, "DELETE": one.delete is not None}
        return _those(has if of_item else {"GET": True, "POST": one.create is not None})
    if of_item:
        return _those(
            {
                "GET": not one.is_listed_only,
                "POST": one.update is not None,
                "DELETE": one.delete is not None,
            }
        )
    return _those({"GET": one.filters is not None, "POST": one.create is not None})


def _those(offered: Mapping[str, bool]) -> list[str]:
    return [method for method, is_offered in offered.items() if is_offered]


def _on_list(desk: Desk, resource: Resource, method: str, query: Pairs, form: Pairs) -> Answer:
    kind, create = resource.kind, resource.create
    if method == "GET":
        return list_records(desk, resource, desk.read(kind, kind.filters, query))
    assert create is not None  # noqa: S101  # POST is offered where there is one
    values = desk.read(kind, kind.create, form, missing=resource.missing)
    return _answer(desk, resource, create(desk, values))


def _on_item(desk: Desk, resource: Resource, method: str, name: str, form: Pairs) -> Answer:
    if method == "POST":
        return _update(desk, resource, name, form)
    record = _find(desk, resource, name)
    if method == "GET":
        return _answer(desk, resource, Done(record))
    assert resource.delete is not None  # noqa: S101  # DELETE is offered where there is one
    return Answer(resource.delete(desk, record), sid=record.sid)


def _update(desk: Desk, resource: Resource, name: str, form: Pairs) -> Answer:
    kind, update = resource.kind, resource.update
    assert update is not None  # noqa: S101  # POST is offered where there is one
    values = desk.read(kind, kind.update, form)
    if resource.moves and "account_sid" in values:
        desk = _desk_of(desk, resource, name)
    done = update(desk, _find(desk, resource, name), values)
    return _answer(desk if done.world is None else desk.of(done.world), resource, done)


def _desk_of(desk: Desk, resource: Resource, sid: str) -> Desk:
    """A main account may move SIMs of its subaccounts, by their SIDs."""
    for world in desk.world.subaccounts.values():
        if sid in world.store(resource.kind):
            return desk.of(world, requester=desk.world)
    return desk


def _find(desk: Desk, resource: Resource, name: str) -> Any:
    store = desk.world.store(resource.kind)
    if resource.kept is not None:
        store.forget_before(desk.world.now() - resource.kept)
    record = store.find(name)
    if record is None:
        raise not_found(f"{resource.kind.path}/{name}")
    return record


def _answer(desk: Desk, resource: Resource, done: Done) -> Answer:
    body = {**render(desk, resource, done.record.sid), **done.shown}
    return Answer(done.status, body, done.record.sid)

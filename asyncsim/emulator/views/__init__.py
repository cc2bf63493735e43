"""The operations, one file per kind; a new kind is a new file and a row in a table here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from asyncsim.emulator.refusals import Refusal, not_found
from asyncsim.emulator.views import (
    billing_periods,
    commands,
    data_sessions,
    esim_profiles,
    events,
    fleets,
    ip_addresses,
    ip_commands,
    network_access_profile_networks,
    network_access_profiles,
    networks,
    rate_plans,
    settings_updates,
    sms_commands,
    supersim_sims,
    supersim_usage,
    wireless_sims,
    wireless_usage,
)
from asyncsim.emulator.views.derived import on_derived_item, on_derived_list
from asyncsim.emulator.views.desk import Answer, Derived, Desk, Done, Pairs, Resource, render
from asyncsim.emulator.views.pages import list_records
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

_Offers = Mapping[str, Callable[[], Answer]]


def dispatch(
    desk: Desk, product: Product, method: str, path: Sequence[str], query: Pairs, form: Pairs
) -> Answer:
    """Find who deals with a request, and let them; raises `Refusal`.

    `path` is decoded, one element per segment, so a name may hold a slash.
    """
    whole = "/" + "/".join(path)
    for one in _ALL:
        if one.kind.product is not product or not _leads_to(own := _segments(one.kind.path), path):
            continue
        name = path[len(own)] if len(path) > len(own) else None
        offers = _offers(desk, one, own, path, name, query, form)
        return _choose(offers, method, whole)
    raise not_found(whole)


def _segments(path: str) -> list[str]:
    return path.strip("/").split("/")


def _leads_to(own: Sequence[str], path: Sequence[str]) -> bool:
    if len(path) - len(own) not in (0, 1):
        return False
    return all(mine in (_PARENT, given) for mine, given in zip(own, path, strict=False))


def _offers(
    desk: Desk,
    one: Resource | Derived,
    own: Sequence[str],
    path: Sequence[str],
    name: str | None,
    query: Pairs,
    form: Pairs,
) -> _Offers:
    if isinstance(one, Resource):
        return (
            _on_list(desk, one, query, form)
            if name is None
            else _on_item(desk, one, name, query, form)
        )
    parent = None
    if one.kind.parent is not None:
        given = path[own.index(_PARENT)]
        parent = desk.world.store(one.kind.parent).find(given)
        if parent is None:
            raise not_found(f"{one.kind.parent.path}/{given}")
    if name is None:
        return on_derived_list(desk, one, parent, query, form)
    return on_derived_item(desk, one, parent, name)


def _choose(offers: _Offers, method: str, path: str) -> Answer:
    if not offers:
        raise not_found(path)
    if method not in offers:
        raise Refusal(20004, "Method not allowed")
    return offers[method]()


def _on_list(desk: Desk, resource: Resource, query: Pairs, form: Pairs) -> _Offers:
    kind, create = resource.kind, resource.create
    offers: dict[str, Callable[[], Answer]] = {}
    if resource.filters is not None:
        offers["GET"] = lambda: list_records(desk, resource, desk.read(kind, kind.filters, query))
    if create is not None:
        offers["POST"] = lambda: _answer(
            desk,
            resource,
            create(desk, desk.read(kind, kind.create, form, missing=resource.missing)),
        )
    return offers


def _on_item(desk: Desk, resource: Resource, name: str, query: Pairs, form: Pairs) -> _Offers:
    delete = resource.delete
    offers: dict[str, Callable[[], Answer]] = {}
    if not resource.is_listed_only:
        offers["GET"] = lambda: _answer(desk, resource, Done(_find(desk, resource, name)))
    if resource.update is not None:
        offers["POST"] = lambda: _update(desk, resource, name, form)
    if delete is not None:
        offers["DELETE"] = lambda: _delete(desk, delete, _find(desk, resource, name))
    return offers


def _update(desk: Desk, resource: Resource, name: str, form: Pairs) -> Answer:
    kind, update = resource.kind, resource.update
    assert update is not None  # noqa: S101  # only offered where there is one
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


def _delete(desk: Desk, delete: Callable[[Desk, Any], int], record: Any) -> Answer:
    return Answer(delete(desk, record), sid=record.sid)

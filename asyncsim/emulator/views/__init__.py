"""The operations, one file per kind; a new kind is a new file and a row in `RESOURCES`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from asyncsim.emulator.refusals import Refusal, not_found
from asyncsim.emulator.views import fleets, rate_plans, supersim_sims, wireless_sims
from asyncsim.emulator.views.desk import Answer, Desk, Done, Pairs, Resource, read_pairs, render
from asyncsim.emulator.views.pages import list_records
from asyncsim.vendors import Product

RESOURCES: tuple[Resource, ...] = (
    wireless_sims.RESOURCE,
    rate_plans.RESOURCE,
    supersim_sims.RESOURCE,
    fleets.RESOURCE,
)

_Offers = Mapping[str, Callable[[], Answer]]


def dispatch(
    desk: Desk, product: Product, method: str, path: Sequence[str], query: Pairs, form: Pairs
) -> Answer:
    """Find who deals with a request, and let them; raises `Refusal`.

    `path` is decoded, one element per segment, so a name may hold a slash.
    """
    whole = "/" + "/".join(path)
    for resource in RESOURCES:
        own = resource.kind.path.strip("/").split("/")
        rest = path[len(own) :]
        if resource.kind.product is not product or list(path[: len(own)]) != own:
            continue
        if not rest:
            return _choose(_on_list(desk, resource, query, form), method, whole)
        if len(rest) == 1:
            return _choose(_on_item(desk, resource, rest[0], form), method, whole)
    raise not_found(whole)


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
        offers["GET"] = lambda: list_records(
            desk, resource, read_pairs(desk, kind, kind.filters, query)
        )
    if create is not None:
        offers["POST"] = lambda: _answer(
            desk, resource, create(desk, read_pairs(desk, kind, kind.create, form))
        )
    return offers


def _on_item(desk: Desk, resource: Resource, name: str, form: Pairs) -> _Offers:
    kind, update, delete = resource.kind, resource.update, resource.delete
    offers: dict[str, Callable[[], Answer]] = {
        "GET": lambda: _answer(desk, resource, Done(_find(desk, resource, name)))
    }
    if update is not None:
        offers["POST"] = lambda: _answer(
            desk,
            resource,
            update(desk, _find(desk, resource, name), read_pairs(desk, kind, kind.update, form)),
        )
    if delete is not None:
        offers["DELETE"] = lambda: _delete(desk, delete, _find(desk, resource, name))
    return offers


def _find(desk: Desk, resource: Resource, name: str) -> Any:
    record = desk.world.store(resource.kind).find(name)
    if record is None:
        raise not_found(f"{resource.kind.path}/{name}")
    return record


def _answer(desk: Desk, resource: Resource, done: Done) -> Answer:
    body = {**render(desk, resource, done.record.sid), **done.shown}
    return Answer(done.status, body, done.record.sid)


def _delete(desk: Desk, delete: Callable[[Desk, Any], None], record: Any) -> Answer:
    delete(desk, record)
    return Answer(204, sid=record.sid)

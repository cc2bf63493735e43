"""The operations, one file per kind; a new kind is a new file and a row in `RESOURCES`."""

from __future__ import annotations

from collections.abc import Sequence

from asyncsim.emulator.refusals import Refusal, not_found
from asyncsim.emulator.views import fleets, rate_plans, supersim_sims, wireless_sims
from asyncsim.emulator.views.desk import Answer, Desk, Pairs, Resource, answer, read_pairs
from asyncsim.emulator.views.pages import list_records
from asyncsim.vendors import Product

RESOURCES: tuple[Resource, ...] = (
    wireless_sims.RESOURCE,
    rate_plans.RESOURCE,
    supersim_sims.RESOURCE,
    fleets.RESOURCE,
)

_COLLECTION = {"GET": "list", "POST": "create"}
_ITEM = {"GET": "fetch", "POST": "update", "DELETE": "delete"}


def dispatch(
    desk: Desk, product: Product, method: str, path: Sequence[str], query: Pairs, form: Pairs
) -> Answer:
    """Find who deals with a request, and let them; raises `Refusal`.

    `path` is decoded, one element per segment, so a name may hold a slash.
    """
    for resource in RESOURCES:
        own = resource.kind.path.strip("/").split("/")
        if resource.kind.product is product and list(path[: len(own)]) == own:
            rest = path[len(own) :]
            if not rest:
                return _on_collection(desk, resource, method, query, form)
            if len(rest) == 1:
                return _on_item(desk, resource, method, rest[0], form)
    raise not_found("/" + "/".join(path))


def _verb(resource: Resource, verbs: dict[str, str], method: str, path: str) -> str:
    offered = {verb for verb in verbs.values() if verb in resource.verbs}
    if not offered:
        raise not_found(path)
    verb = verbs.get(method)
    if verb not in offered:
        raise Refusal(20004, "Method not allowed")
    return verb


def _on_collection(
    desk: Desk, resource: Resource, method: str, query: Pairs, form: Pairs
) -> Answer:
    kind = resource.kind
    verb = _verb(resource, _COLLECTION, method, kind.path)
    if verb == "list":
        return list_records(desk, resource, read_pairs(desk, kind, kind.filters, query))
    assert resource.create is not None  # noqa: S101  # its verbs say so
    return resource.create(desk, resource, read_pairs(desk, kind, kind.create, form))


def _on_item(desk: Desk, resource: Resource, method: str, name: str, form: Pairs) -> Answer:
    kind = resource.kind
    path = f"{kind.path}/{name}"
    verb = _verb(resource, _ITEM, method, path)
    record = desk.world.store(kind).find(name)
    if record is None:
        raise not_found(path)
    if verb == "fetch":
        return answer(desk, resource, record)
    if verb == "delete":
        assert resource.delete is not None  # noqa: S101
        return resource.delete(desk, resource, record)
    assert resource.update is not None  # noqa: S101
    return resource.update(desk, resource, record, read_pairs(desk, kind, kind.update, form))

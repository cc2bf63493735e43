"""Routes: the table of operations, and the dispatch of requests to it.

A new kind is a new file and a row in a table here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import frozen

from asyncsim.emulator.context import (
    DerivedResource,
    OperationResult,
    RequestContext,
    StoredResource,
    VendorRequest,
    VendorResponse,
)
from asyncsim.emulator.errors import method_not_allowed, not_found
from asyncsim.emulator.lists import list_derived, list_stored, show
from asyncsim.emulator.monitor import events
from asyncsim.emulator.params import Params
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

STORED: tuple[StoredResource, ...] = (
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
"""Kinds whose records are stored."""

DERIVED: tuple[DerivedResource, ...] = (
    data_sessions.RESOURCE,
    wireless_usage.OF_SIM,
    wireless_usage.OF_ACCOUNT,
    billing_periods.RESOURCE,
    ip_addresses.RESOURCE,
    network_access_profile_networks.RESOURCE,
    supersim_usage.RESOURCE,
)
"""Kinds whose rows are computed from other records."""

_PARENT = "{parent}"


@frozen
class Route:
    """The path of a resource, and the methods of its list and of one record."""

    resource: StoredResource | DerivedResource
    segments: Sequence[str]
    list_methods: Sequence[str]
    item_methods: Sequence[str]


def _route(resource: StoredResource | DerivedResource) -> Route:
    if isinstance(resource, StoredResource):
        on_list = {"GET": resource.filters is not None, "POST": resource.create is not None}
        on_item = {
            "GET": not resource.is_listed_only,
            "POST": resource.update is not None,
            "DELETE": resource.delete is not None,
        }
    else:  # derived rows that cannot be deleted cannot be fetched either
        on_list = {"GET": True, "POST": resource.create is not None}
        on_item = {"GET": resource.delete is not None, "DELETE": resource.delete is not None}

    def supported(methods: Mapping[str, bool]) -> list[str]:
        return [method for method, is_supported in methods.items() if is_supported]

    segments = resource.kind.path.strip("/").split("/")
    return Route(resource, segments, supported(on_list), supported(on_item))


_RESOURCES: tuple[StoredResource | DerivedResource, ...] = (*STORED, *DERIVED)
_ROUTES = {
    product: [_route(resource) for resource in _RESOURCES if resource.kind.product is product]
    for product in Product
}


def _find_route(product: Product, path: Sequence[str]) -> tuple[Route, str | None] | None:
    """The route of a path and, if the path names one record of the list, that name."""
    for route in _ROUTES[product]:
        extra = len(path) - len(route.segments)
        if extra in (0, 1) and all(
            own in (_PARENT, given) for own, given in zip(route.segments, path, strict=False)
        ):
            return route, path[-1] if extra else None
    return None


def methods_at(product: Product, path: Sequence[str]) -> Sequence[str]:
    """The methods that a path takes, none where there is nothing."""
    found = _find_route(product, path)
    if found is None:
        return ()
    route, name = found
    return route.list_methods if name is None else route.item_methods


def dispatch(
    ctx: RequestContext, product: Product, path: Sequence[str], request: VendorRequest
) -> VendorResponse:
    """Carry out a request; raises `VendorError`.

    `path` is decoded, one element a segment, so a name may contain a slash.
    """
    found = _find_route(product, path)
    if found is None:
        raise not_found("/" + "/".join(path))
    route, name = found
    resource, parent = route.resource, None
    parent_kind = None if isinstance(resource, StoredResource) else resource.kind.parent
    if parent_kind is not None:
        parent_name = path[route.segments.index(_PARENT)]
        parent = ctx.world.store(parent_kind).find(parent_name)
        if parent is None:
            raise not_found(f"{parent_kind.path}/{parent_name}")
    methods = route.list_methods if name is None else route.item_methods
    if not methods:
        raise not_found("/" + "/".join(path))
    if request.method not in methods:
        raise method_not_allowed(methods)
    if isinstance(resource, DerivedResource):
        return _on_derived(ctx, resource, parent, name, request)
    if name is not None:
        return _on_record(ctx, resource, name, request)
    kind = resource.kind
    if request.method == "POST" and resource.create is not None:
        params = ctx.read_params(kind, kind.create, request.form, missing=resource.missing)
        return _respond(ctx, resource, resource.create(ctx, params))
    return list_stored(ctx, resource, ctx.read_params(kind, kind.filters, request.query))


def _on_record(
    ctx: RequestContext, resource: StoredResource, name: str, request: VendorRequest
) -> VendorResponse:
    kind = resource.kind
    if request.method == "POST" and resource.update is not None:
        params = ctx.read_params(kind, kind.update, request.form)
        if resource.moves and "account_sid" in params:
            # A main account may move SIMs of its subaccounts, by their SIDs.
            for world in ctx.world.subaccounts.values():
                if name in world.store(kind):
                    ctx = ctx.for_account(world, requester=ctx.world)
                    break
        result = resource.update(ctx, _find(ctx, resource, name), params)
        return _respond(ctx, resource, result)
    record = _find(ctx, resource, name)
    if request.method == "DELETE" and resource.delete is not None:
        return VendorResponse(resource.delete(ctx, record), sid=record.sid)
    return _respond(ctx, resource, OperationResult(record))


def _find(ctx: RequestContext, resource: StoredResource, name: str) -> Any:
    store = ctx.world.store(resource.kind)
    if resource.retention is not None:
        store.remove_before(ctx.world.now() - resource.retention)
    record = store.find(name)
    if record is None:
        raise not_found(f"{resource.kind.path}/{name}")
    return record


def _respond(
    ctx: RequestContext, resource: StoredResource, result: OperationResult
) -> VendorResponse:
    if result.world is not None:
        ctx = ctx.for_account(result.world)
    sid = result.record.sid
    body = show(ctx, resource, sid, ctx.base_urls[resource.kind.product])
    return VendorResponse(result.status, {**body, **result.shown}, sid)


def _on_derived(
    ctx: RequestContext,
    resource: DerivedResource,
    parent: Any,
    name: str | None,
    request: VendorRequest,
) -> VendorResponse:
    kind = resource.kind
    if name is None:
        if request.method == "POST" and resource.create is not None:
            row = resource.create(ctx, parent, ctx.read_params(kind, kind.create, request.form))
            return VendorResponse(201, dict(row), row["sid"])
        query = ctx.read_params(kind, kind.filters, request.query, invalid=resource.invalid)
        return list_derived(ctx, resource, parent, query)
    if request.method == "DELETE" and resource.delete is not None:
        resource.delete(ctx, parent, name)
        return VendorResponse(204, sid=name)
    for row in resource.rows(ctx, parent, Params()):
        if row["sid"] == name:
            return VendorResponse(200, dict(row), name)
    path = kind.path if parent is None else kind.path.format(parent=parent.sid)
    raise not_found(f"{path}/{name}")

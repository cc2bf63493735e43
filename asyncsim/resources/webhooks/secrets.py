"""KORE's signing secrets: JSON in, JSON out, and pages counted from 1."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Mapping
from typing import Any, Unpack

from asyncsim.context import ClientContext
from asyncsim.core.retry import Idempotency
from asyncsim.errors import DecodeError
from asyncsim.http.content import JSON, Body, make_body
from asyncsim.http.request import MAX_PAGE_BYTES
from asyncsim.http.transport import Response, Reuse
from asyncsim.models.webhooks.secrets import (
    SECRETS,
    Secret,
    SecretCreate,
    SecretFilter,
    SecretUpdate,
)
from asyncsim.resources.base import Resource, Verbs, read_json
from asyncsim.resources.call_signatures import expand_keywords
from asyncsim.resources.pages import OnBad, Page, Pager, check_list, page_of
from asyncsim.wire import forms, json
from asyncsim.wire.pages import RawPage, read_rows


class Secrets(Verbs[Resource[Secret]]):
    """`client.webhooks.secrets`.

    Pass the value of a new one to `Client.kore(..., webhook_secrets=[...])` together with the
    old ones before you activate it. Source: KORE docs, "Validate Webhook Signatures".
    """

    def __init__(self, context: ClientContext) -> None:
        super().__init__(Resource(context, SECRETS))

    @expand_keywords
    async def create(self, **keywords: Unpack[SecretCreate]) -> Secret:
        """Create a secret; only this response has its value.

        `OutcomeUnknown` when the response was lost: a create is never retried.
        """
        forms.check(SecretCreate, keywords, "secrets.create()")
        request = self.resource.request(
            "POST",
            "create",
            body=_body(SecretCreate, keywords),
            idempotency=Idempotency.UNSAFE,
            reuse=Reuse.RECENT,
            look="look for it with secrets.list(); its value cannot be read again",
        )
        return self._parse(await self.resource.send(request))

    @expand_keywords
    async def update(self, id: str, /, **changes: Unpack[SecretUpdate]) -> Secret:
        """Rename or activate a secret; an active one signs all callbacks from then on."""
        if not id.startswith("whs_"):
            raise ValueError(f"a Secret is named by its id (whs_ and 26 characters), not by {id!r}")
        forms.check(SecretUpdate, changes, "secrets.update()")
        body = _body(SecretUpdate, changes)
        request = self.resource.request("PATCH", "update", id, body=body)
        return self._parse(await self.resource.send(request))

    @expand_keywords
    def list(
        self, *, limit: int | None = None, bad: OnBad = "raise", **filters: Unpack[SecretFilter]
    ) -> Pager[Secret]:
        """List secrets, without their values; see `Pager` for iteration."""
        check_list(bad, limit)
        forms.check(SecretFilter, filters, "secrets.list()")
        if limit is not None:
            filters.setdefault("page_size", limit)
        resource = self.resource
        resource.request("GET", "list")  # raises errors now rather than when sent

        async def page(number: int) -> Page[Secret]:
            query = forms.encode(SecretFilter, {**filters, "page_number": number})
            request = resource.request("GET", "list", query=query, max_bytes=MAX_PAGE_BYTES)
            with resource.calling("list"):
                return page_of(self._read_page(await resource.send(request)), bad, Secret)

        async def pages() -> AsyncIterator[Page[Secret]]:
            number = filters.get("page_number", 1)
            while True:
                one = await page(number)
                yield one
                # An empty page that claims a next one would be requested without end.
                if not one.has_next or not (one.items or one.bad):
                    return
                number += 1

        def first() -> Awaitable[Page[Secret]]:
            return page(filters.get("page_number", 1))

        return Pager(pages, first, what="webhook secrets", limit=limit)

    def _parse(self, response: Response) -> Secret:
        try:
            return self.resource.parse(response)
        except DecodeError:
            reason = f"not a secret in JSON (HTTP {response.status}); it is not shown"
            # From None: the original error quotes the response, and perhaps the value.
            raise DecodeError("Secret", reason) from None

    def _read_page(self, response: Response) -> RawPage:
        value = read_json(response, "page of secrets")
        rows = value.get("data") if isinstance(value, dict) else None
        if not isinstance(rows, list):
            raise DecodeError("page of secrets", "it has no list under 'data'")
        meta = value.get("meta_data")
        following = meta.get("next_page_url") if isinstance(meta, dict) else None

        def read(row: Any) -> Secret:
            try:
                return self.resource.read_row(row)
            except DecodeError:
                raise DecodeError("Secret", "not a secret; it is not shown") from None

        # Only the existence of a next page is used: pages are counted here.
        return read_rows(RawPage(rows, str(following) if following else None), read)


def _body(keywords: Any, values: Mapping[str, Any]) -> Body:
    params = forms.params_of(keywords)
    text = json.dumps({params[key].key: value for key, value in values.items()}).decode()
    return make_body(text, JSON)

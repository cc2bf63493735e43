"""KORE's webhook secrets: JSON both ways, pages counted from 1, values never shown."""

from __future__ import annotations

import traceback
from typing import Any

import pytest

from asyncsim import BadRequest, DecodeError, OutcomeUnknown
from tests.http.server import DROP, ScriptedResponse
from tests.resources.scripted import ScriptedApi

ID = "whs_01H8XGJWBWBAQ4ZZZZZZZZZZZZ"
VALUE = "value-never-shown"


def secret(**more: Any) -> dict[str, Any]:
    return {"id": ID, "name": "first", "status": "pending", **more}


def page(*rows: Any, following: str | None = None) -> dict[str, Any]:
    return {"data": list(rows), "meta_data": {"page_number": 1, "next_page_url": following}}


async def test_a_secret_is_created_with_json_and_its_value_is_not_in_its_repr(
    kore: ScriptedApi,
) -> None:
    kore.plan(ScriptedResponse(201, secret(secret=VALUE, last_modified="2026-11-01T00:00:00Z")))
    created = await kore.client.webhooks.secrets.create(name="first")
    assert kore.request_lines == ['POST /v1/secrets {"Name":"first"}']
    assert kore.received[0].headers["Content-Type"] == "application/json"
    assert (created.id, created.secret, created.status) == (ID, VALUE, "pending")
    assert VALUE not in repr(created)


async def test_a_secret_is_renamed_and_activated(kore: ScriptedApi) -> None:
    kore.plan(secret(name="second", status="active"))
    changed = await kore.client.webhooks.secrets.update(ID, name="second", status="active")
    assert kore.request_lines == [f'PATCH /v1/secrets/{ID} {{"Name":"second","Status":"active"}}']
    assert (changed.name, changed.status, changed.secret) == ("second", "active", None)


async def test_pages_are_counted_from_1_until_none_follows(kore: ScriptedApi) -> None:
    kore.plan(page(secret(), following="https://elsewhere/?x"), page(secret(id="whs_2")))
    listed = kore.client.webhooks.secrets.list(status="active", page_size=1)
    assert [one.id async for one in listed] == [ID, "whs_2"]
    assert kore.request_lines == [
        "GET /v1/secrets?status=active&page_size=1&page_number=1",
        "GET /v1/secrets?status=active&page_size=1&page_number=2",
    ]


async def test_awaiting_a_list_returns_the_requested_page(kore: ScriptedApi) -> None:
    kore.plan(page(secret(), following="more"))
    first = await kore.client.webhooks.secrets.list(page_number=3)
    assert (len(first), first.has_next) == (1, True)
    assert kore.request_lines == ["GET /v1/secrets?page_number=3"]


async def test_an_empty_page_is_always_the_last(kore: ScriptedApi) -> None:
    kore.plan(page(following="more"))
    assert [one async for one in kore.client.webhooks.secrets.list()] == []
    assert len(kore.request_lines) == 1


async def test_a_lost_response_to_a_create_is_an_unknown_outcome(kore: ScriptedApi) -> None:
    kore.plan(DROP)
    with pytest.raises(OutcomeUnknown, match=r"look for it with secrets.list\(\)"):
        await kore.complete(kore.client.webhooks.secrets.create(name="first"))
    assert len(kore.request_lines) == 1


async def test_a_rejection_has_the_vendors_message(kore: ScriptedApi) -> None:
    kore.plan(
        ScriptedResponse(400, {"status": 400, "message": "Name is taken", "info": "https://x"})
    )
    with pytest.raises(BadRequest, match="Name is taken") as caught:
        await kore.client.webhooks.secrets.create(name="first")
    assert caught.value.more_info == "https://x"


@pytest.mark.parametrize("body", [f'{{"secret": "{VALUE}", ', {"secret": [VALUE]}, [VALUE]])
async def test_a_malformed_response_is_never_quoted(kore: ScriptedApi, body: Any) -> None:
    kore.plan(ScriptedResponse(201, body))
    with pytest.raises(DecodeError, match="it is not shown") as caught:
        await kore.client.webhooks.secrets.create(name="first")
    assert VALUE not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("body", [[], {"data": {}}, {"meta_data": {}}])
async def test_a_malformed_page_of_secrets_is_a_decode_error(kore: ScriptedApi, body: Any) -> None:
    kore.plan(ScriptedResponse(200, body))
    with pytest.raises(DecodeError):
        await kore.client.webhooks.secrets.list()


async def test_wrong_calls_are_rejected_before_sending(kore: ScriptedApi) -> None:
    secrets: Any = kore.client.webhooks.secrets
    with pytest.raises(TypeError, match=r"secrets.create\(\) needs name"):
        await secrets.create()
    with pytest.raises(ValueError, match="status cannot be 'retired'"):
        await secrets.update(ID, status="retired")
    with pytest.raises(ValueError, match="named by its id"):
        await secrets.update("", name="x")
    with pytest.raises(ValueError, match="status cannot be"):
        secrets.list(status="new")
    assert kore.request_lines == []

"""Bodies and queries exactly as in the documents' curl lines and page URLs."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest

from asyncsim.models.supersim import sims as supersim
from asyncsim.models.wireless import sims as wireless
from asyncsim.wire import forms
from tests.golden.load import sample

SITE = "http://www.example.com"


def test_a_registration_is_encoded_as_in_the_documents_curl_line() -> None:
    # Twilio docs, "Register a Super SIM to your Account".
    sent = forms.encode(
        supersim.SimRegister,
        {"iccid": "89883070000123456789", "registration_code": "H3LL0W0RLD"},
    )
    assert sent == "Iccid=89883070000123456789&RegistrationCode=H3LL0W0RLD"


def test_a_wireless_update_is_encoded_as_in_the_documents_curl_line() -> None:
    # Twilio docs, "Updates the given properties of a Sim resource on your Account"; the
    # CallbackMethod there is a placeholder.
    sent = forms.encode(
        wireless.SimUpdate,
        {
            "sms_url": SITE,
            "status": "new",
            "rate_plan": "WPaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "voice_url": SITE,
            "sms_method": "POST",
            "unique_name": "unique_name",
            "callback_url": SITE,
            "voice_method": "POST",
            "friendly_name": "friendly_name",
            "callback_method": "callback_method",
            "sms_fallback_url": SITE,
            "voice_fallback_url": SITE,
            "sms_fallback_method": "POST",
            "commands_callback_url": SITE,
            "voice_fallback_method": "POST",
            "commands_callback_method": "POST",
        },
    )
    assert sent == (
        "SmsUrl=http%3A%2F%2Fwww.example.com&Status=new&RatePlan=WPaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
        "&VoiceUrl=http%3A%2F%2Fwww.example.com&SmsMethod=POST&UniqueName=unique_name"
        "&CallbackUrl=http%3A%2F%2Fwww.example.com&VoiceMethod=POST&FriendlyName=friendly_name"
        "&CallbackMethod=callback_method&SmsFallbackUrl=http%3A%2F%2Fwww.example.com"
        "&VoiceFallbackUrl=http%3A%2F%2Fwww.example.com&SmsFallbackMethod=POST"
        "&CommandsCallbackUrl=http%3A%2F%2Fwww.example.com&VoiceFallbackMethod=POST"
        "&CommandsCallbackMethod=POST"
    )


# The request examples of the update operations: keywords, body as a form.
REQUESTS: list[tuple[Any, dict[str, str], str]] = [
    # Twilio OpenAPI twilio_wireless_v1, UpdateSim.
    (
        wireless.SimUpdate,
        {
            "status": "new",
            "rate_plan": "WPbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
            "account_sid": "ACbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
            "unique_name": "unique_name",
        },
        "Status=new&RatePlan=WPbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
        "&AccountSid=ACbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb&UniqueName=unique_name",
    ),
    (wireless.SimUpdate, {"reset_status": "resetting"}, "ResetStatus=resetting"),
    # Twilio OpenAPI twilio_supersim_v1 and KORE OpenAPI kore-supersim-v1, UpdateSim.
    (supersim.SimUpdate, {"unique_name": "MySIM"}, "UniqueName=MySIM"),
    (
        supersim.SimUpdate,
        {
            "status": "active",
            "callback_url": "http://127.0.0.1:9876/path",
            "callback_method": "POST",
        },
        "Status=active&CallbackUrl=http%3A%2F%2F127.0.0.1%3A9876%2Fpath&CallbackMethod=POST",
    ),
    (
        supersim.SimUpdate,
        {
            "fleet": "My Fleet",
            "callback_url": "http://127.0.0.1:9876/path",
            "callback_method": "POST",
        },
        "Fleet=My+Fleet&CallbackUrl=http%3A%2F%2F127.0.0.1%3A9876%2Fpath&CallbackMethod=POST",
    ),
    (
        supersim.SimUpdate,
        {"account_sid": "ACbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb", "fleet": "My Fleet"},
        "AccountSid=ACbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb&Fleet=My+Fleet",
    ),
]


@pytest.mark.parametrize(("keywords", "values", "body"), REQUESTS)
def test_an_update_is_encoded_as_in_the_documents_request_examples(
    keywords: Any, values: dict[str, str], body: str
) -> None:
    forms.check(keywords, values, "update")
    assert forms.encode(keywords, values) == body


QUERIES: list[tuple[str, str, Any, dict[str, Any]]] = [
    (
        "twilio_wireless",
        "list readFull",
        wireless.SimFilter,
        {"status": "new", "iccid": "iccid", "rate_plan": "rate_plan"},
    ),
    (
        "twilio_supersim",
        "list readFullByFleetName",
        supersim.SimFilter,
        {"status": "new", "fleet": "MyFleet"},
    ),
    (
        "kore_supersim",
        "list readByIccid",
        supersim.SimFilter,
        {"iccid": "89883070000123456789"},
    ),
]


@pytest.mark.parametrize(("file", "name", "keywords", "values"), QUERIES)
def test_a_list_query_is_encoded_as_in_the_example_page_url(
    file: str, name: str, keywords: Any, values: dict[str, Any]
) -> None:
    url = sample(file, name)["meta"]["first_page_url"]
    sent = forms.encode(keywords, {**values, "page_size": 50, "page": 0})
    assert sent == urlsplit(url).query


def test_a_callback_body_is_decoded_with_blank_and_repeated_parameters() -> None:
    # Parameters of KORE docs, "Wireless Sim Resource", Callback values.
    body = (
        "SimSid=DEaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa&SimUniqueName=depot+%2F+42&SimStatus=ready"
        "&ErrorCode=&ApiVersion=v1&AccountSid=ACaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa&SimStatus=active"
    )
    assert forms.decode(body) == {
        "SimSid": ["DEaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"],
        "SimUniqueName": ["depot / 42"],
        "SimStatus": ["ready", "active"],
        "ErrorCode": [""],
        "ApiVersion": ["v1"],
        "AccountSid": ["ACaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"],
    }

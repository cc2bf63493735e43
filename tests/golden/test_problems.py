"""Error bodies of both vendors, their gateways and KORE's token endpoint."""

from __future__ import annotations

import json

import pytest

from asyncsim.wire.problems import Problem, decode_problem
from tests.golden.load import sample, samples

EXPECTED = {
    "twilio not found": Problem(
        20404,
        "The requested resource /Sims/DEaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa was not found",
        "https://www.twilio.com/docs/errors/20404",
    ),
    "twilio wrong credentials": Problem(
        20003, "Authenticate", "https://www.twilio.com/docs/errors/20003"
    ),
    "twilio too many requests": Problem(
        20429, "Too Many Requests", "https://www.twilio.com/docs/errors/20429"
    ),
    "twilio problem details": Problem(20001, "PageSize must be at most 1000", None),
    "kore registration": Problem(
        83000,
        "The Super SIM could not be registered",
        "https://docs.korewireless.com/errors/83000",
    ),
    "kore programmable wireless": Problem(20404, "Resource not found", None),
    "kore webhook": Problem(
        40404, "Secret not found", "https://docs.korewireless.com/errors/40404"
    ),
    "kore gateway, expired token": Problem(
        None, "User is not authorized to access this resource with an explicit deny", None
    ),
    "kore gateway, no token": Problem(None, "Unauthorized", None),
    "kore token endpoint, wrong client": Problem(
        None, "Invalid client or Invalid client credentials", None
    ),
    "kore token endpoint, wrong client, as the OpenAPI document has it": Problem(
        None, "Invalid client or Invalid client credentials", None
    ),
    "kore token endpoint, wrong grant": Problem(40400, "grant_type is missing", None),
}


def test_every_sample_has_an_expected_problem() -> None:
    assert set(samples("problems")) == set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_an_error_body_is_decoded_as_documented(name: str) -> None:
    assert decode_problem(json.dumps(sample("problems", name)).encode()) == EXPECTED[name]

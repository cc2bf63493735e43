"""Programmable Wireless at both vendors: the documents' samples against expected values."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from asyncsim.models.wireless.rate_plans import RatePlan
from asyncsim.models.wireless.sims import Sim
from asyncsim.vendors import KORE, TWILIO
from asyncsim.wire import pages, records
from tests.golden.load import sample

SID = "DEaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
HOST = "https://wireless.twilio.com/v1"


def at_twilio(
    *,
    status: str = "new",
    reset_status: str | None = None,
    account_sid: str = "ACaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    rate_plan_sid: str = "WPaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    commands_callback_method: str = "POST",
    ip_address: str = "192.168.1.30",
) -> Sim:
    """The Sim of all Twilio examples, with the given differences."""
    return Sim(
        sid=SID,
        status=status,
        unique_name="unique_name",
        friendly_name="friendly_name",
        account_sid=account_sid,
        rate_plan_sid=rate_plan_sid,
        iccid="iccid",
        eid="e_id",
        reset_status=reset_status,
        commands_callback_url="http://www.example.com",
        commands_callback_method=commands_callback_method,
        sms_fallback_method="POST",
        sms_fallback_url="http://www.example.com",
        sms_method="POST",
        sms_url="http://www.example.com",
        voice_fallback_method="POST",
        voice_fallback_url="http://www.example.com",
        voice_method="POST",
        voice_url="http://www.example.com",
        ip_address=ip_address,
        date_created=datetime(2015, 7, 30, 20, 0, tzinfo=UTC),
        date_updated=datetime(2015, 7, 30, 20, 0, tzinfo=UTC),
        url=f"{HOST}/Sims/{SID}",
        links={
            "rate_plan": f"{HOST}/RatePlans/{rate_plan_sid}",
            "data_sessions": f"{HOST}/Sims/{SID}/DataSessions",
            "usage_records": f"{HOST}/Sims/{SID}/UsageRecords",
        },
    )


EXAMPLES: dict[str, dict[str, Any]] = {
    "fetch": {"ip_address": "192.168.1.1"},
    "update": {},
    "updateMoveToSubaccount": {
        "account_sid": "ACbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
        "rate_plan_sid": "WPbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
    },
    "updateResetConnectivity": {
        "status": "active",
        "reset_status": "resetting",
        "commands_callback_method": "GET",
    },
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_twilio_response_is_decoded_as_documented(name: str) -> None:
    body = sample("twilio_wireless", name)
    assert records.decode(Sim, body, TWILIO) == at_twilio(**EXAMPLES[name])


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_sim_is_encoded_as_twilio_shows_it(name: str) -> None:
    assert records.encode(at_twilio(**EXAMPLES[name]), TWILIO) == sample("twilio_wireless", name)


def test_a_twilio_list_is_decoded_with_its_row() -> None:
    page = pages.decode_page(sample("twilio_wireless", "list readFull"), "sims")
    rows = [records.decode(Sim, row, TWILIO) for row in page.rows]
    assert rows == [at_twilio(reset_status="resetting")]
    assert page.next_query is None


def test_an_empty_twilio_list_has_no_rows() -> None:
    page = pages.decode_page(sample("twilio_wireless", "list readEmpty"), "sims")
    assert (page.rows, page.next_page_url) == ([], None)


def test_a_rate_plan_is_decoded_and_encoded_as_twilio_shows_it() -> None:
    plan = RatePlan(
        sid="WPaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        unique_name="unique_name",
        account_sid="ACaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        friendly_name="friendly_name",
        data_enabled=True,
        data_metering="payg",
        data_limit=1000,
        messaging_enabled=True,
        voice_enabled=True,
        national_roaming_enabled=True,
        national_roaming_data_limit=1000,
        international_roaming=("data", "messaging", "voice"),
        international_roaming_data_limit=1000,
        date_created=datetime(2019, 7, 30, 20, 0, tzinfo=UTC),
        date_updated=datetime(2019, 7, 30, 20, 0, tzinfo=UTC),
        url=f"{HOST}/RatePlans/WPaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    )
    body = sample("twilio_wireless", "rate plan")
    assert records.decode(RatePlan, body, TWILIO) == plan
    assert records.encode(plan, TWILIO) == body


# KORE's page has placeholders where Twilio's has values, and milliseconds in its dates.
AT_KORE = Sim(
    sid="text",
    status="deactivated",
    unique_name="text",
    friendly_name="text",
    account_sid="text",
    rate_plan_sid="text",
    iccid="text",
    eid="text",
    reset_status="resetting",
    commands_callback_url="https://example.com",
    commands_callback_method="GET",
    sms_fallback_method="GET",
    sms_fallback_url="https://example.com",
    sms_method="GET",
    sms_url="https://example.com",
    voice_fallback_method="GET",
    voice_fallback_url="https://example.com",
    voice_method="GET",
    voice_url="https://example.com",
    ip_address="text",
    date_created=datetime(2025, 10, 24, 8, 5, 2, 571000, tzinfo=UTC),
    date_updated=datetime(2025, 10, 24, 8, 5, 2, 571000, tzinfo=UTC),
    url="https://example.com",
    links={"rate_plan": "text", "usage_records": "text", "data_sessions": "text"},
)


@pytest.mark.parametrize("name", ["fetch", "update"])
def test_a_kore_response_is_decoded_as_documented(name: str) -> None:
    assert records.decode(Sim, sample("kore_wireless", name), KORE) == AT_KORE


def test_a_sim_is_encoded_as_kore_shows_it_except_milliseconds() -> None:
    whole_seconds = {"date_created": "2025-10-24T08:05:02Z", "date_updated": "2025-10-24T08:05:02Z"}
    assert records.encode(AT_KORE, KORE) == {**sample("kore_wireless", "fetch"), **whole_seconds}


def test_a_kore_list_is_decoded_with_its_row_and_next_page() -> None:
    page = pages.decode_page(sample("kore_wireless", "list"), "sims")
    assert [records.decode(Sim, row, KORE) for row in page.rows] == [AT_KORE]
    assert page.next_page_url == "https://example.com"
    assert page.next_origin == "https://example.com"

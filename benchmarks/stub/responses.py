"""The stub's responses: Sims as in Twilio's documents, built before the start."""

from __future__ import annotations

import json
from typing import Any

ACCOUNT = "AC" + "a" * 32
_HEX = 32  # digits of a SID
_MARKS = {"supersim": "HS" + "x" * _HEX, "wireless": "DE" + "x" * _HEX}
PRODUCTS = tuple(_MARKS)


def sid(number: int, product: str = "supersim") -> str:
    """Make the SID of the n-th Sim."""
    return f"{_MARKS[product][:2]}{number:032x}"


def sim(sid: str, status: str = "active", product: str = "supersim") -> dict[str, Any]:
    """Make one Sim as parsed JSON: 10 fields for Super SIM, 24 for Programmable Wireless."""
    url = f"https://{product}.twilio.com/v1/Sims/{sid}"
    if product == "wireless":
        return _wireless_sim(sid, status, url)
    return {
        "sid": sid,
        "unique_name": None,
        "account_sid": ACCOUNT,
        "iccid": "89883070000123456789",
        "status": status,
        "fleet_sid": "HF" + "b" * 32,
        "date_created": "2015-07-30T20:00:00Z",
        "date_updated": "2015-07-30T20:00:00Z",
        "url": url,
        "links": {
            "billing_periods": f"{url}/BillingPeriods",
            "sim_ip_addresses": f"{url}/IpAddresses",
        },
    }


def _wireless_sim(sid: str, status: str, url: str) -> dict[str, Any]:
    plan = "WP" + "b" * 32
    return {
        "account_sid": ACCOUNT,
        "unique_name": None,
        "commands_callback_method": "POST",
        "commands_callback_url": "https://example.com/commands",
        "date_created": "2015-07-30T20:00:00Z",
        "date_updated": "2015-07-30T20:00:00Z",
        "friendly_name": "a meter",
        "links": {
            "data_sessions": f"{url}/DataSessions",
            "rate_plan": f"https://wireless.twilio.com/v1/RatePlans/{plan}",
            "usage_records": f"{url}/UsageRecords",
        },
        "rate_plan_sid": plan,
        "sid": sid,
        "iccid": "89883070000123456789",
        "e_id": None,
        "status": status,
        "reset_status": None,
        "sms_fallback_method": "POST",
        "sms_fallback_url": "https://example.com/sms",
        "sms_method": "POST",
        "sms_url": "https://example.com/sms",
        "voice_fallback_method": "POST",
        "voice_fallback_url": "https://example.com/voice",
        "voice_method": "POST",
        "voice_url": "https://example.com/voice",
        "url": url,
        "ip_address": "192.168.1.30",
    }


def page(rows: int, product: str = "supersim") -> bytes:
    """Make a list page of `rows` Sims, with no next page."""
    url = f"https://{product}.twilio.com/v1/Sims?PageSize={rows}&Page=0"
    meta = {
        "first_page_url": url,
        "key": "sims",
        "next_page_url": None,
        "page": 0,
        "page_size": rows,
        "previous_page_url": None,
        "url": url,
    }
    sims = [sim(sid(one, product), product=product) for one in range(rows)]
    return json.dumps({"meta": meta, "sims": sims}).encode()


def response(status: int, body: bytes) -> bytes:
    """Make a complete HTTP response."""
    head = (
        f"HTTP/1.1 {status} OK\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nTwilio-Request-Id: RQ{'c' * 32}\r\n\r\n"
    )
    return head.encode() + body


class Canned:
    """A response about one Sim, split where its SID goes."""

    def __init__(self, http_status: int, sim_status: str, product: str = "supersim") -> None:
        mark = _MARKS[product]
        body = json.dumps(sim(mark, sim_status, product)).encode()
        self._parts = response(http_status, body).split(mark.encode())

    def about(self, sid: bytes) -> bytes:
        """The response for a SID."""
        return sid.join(self._parts)

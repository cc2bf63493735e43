"""What the stub answers: Super SIM Sims as Twilio's documents show them, made before the start."""

from __future__ import annotations

import json
from typing import Any

ACCOUNT = "AC" + "a" * 32
_BASE = "https://supersim.twilio.com/v1/Sims"
_MARK = "@sid@" + "x" * 29  # as long as a SID


def sid(number: int) -> str:
    """Make the SID of the n-th Sim."""
    return f"HS{number:032x}"


def sim(sid: str, status: str = "active") -> dict[str, Any]:
    """Make one Sim as JSON has it."""
    return {
        "sid": sid,
        "unique_name": None,
        "account_sid": ACCOUNT,
        "iccid": "89883070000123456789",
        "status": status,
        "fleet_sid": "HF" + "b" * 32,
        "date_created": "2015-07-30T20:00:00Z",
        "date_updated": "2015-07-30T20:00:00Z",
        "url": f"{_BASE}/{sid}",
        "links": {
            "billing_periods": f"{_BASE}/{sid}/BillingPeriods",
            "sim_ip_addresses": f"{_BASE}/{sid}/IpAddresses",
        },
    }


def page(rows: int) -> bytes:
    """Make a list of that many Sims, with no page after it."""
    meta = {
        "first_page_url": f"{_BASE}?PageSize={rows}&Page=0",
        "key": "sims",
        "next_page_url": None,
        "page": 0,
        "page_size": rows,
        "previous_page_url": None,
        "url": f"{_BASE}?PageSize={rows}&Page=0",
    }
    return json.dumps({"meta": meta, "sims": [sim(sid(one)) for one in range(rows)]}).encode()


def answer(status: int, body: bytes) -> bytes:
    """Make a whole HTTP answer."""
    head = (
        f"HTTP/1.1 {status} OK\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nTwilio-Request-Id: RQ{'c' * 32}\r\n\r\n"
    )
    return head.encode() + body


class Canned:
    """An answer about one Sim, cut where its SID goes."""

    def __init__(self, http_status: int, sim_status: str) -> None:
        body = json.dumps(sim(_MARK, sim_status)).encode()
        self._parts = answer(http_status, body).split(_MARK.encode())

    def about(self, sid: bytes) -> bytes:
        """Put a SID in."""
        return sid.join(self._parts)

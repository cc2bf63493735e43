"""Super SIM at both vendors: the documents' samples against expected values."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from asyncsim.models.supersim.fleets import Fleet
from asyncsim.models.supersim.sims import Sim
from asyncsim.vendors import KORE, TWILIO, Vendor
from asyncsim.wire import pages, records
from tests.golden.load import sample

HOSTS = {"twilio": "https://supersim.twilio.com", "kore": "https://supersim.api.korewireless.com"}
SID = "HSaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
FLEET = "HFaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
ACCOUNT = "ACaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

both = pytest.mark.parametrize("vendor", [TWILIO, KORE], ids=["twilio", "kore"])


def expected(
    vendor: Vendor,
    *,
    status: str = "new",
    unique_name: str | None = None,
    fleet_sid: str | None = None,
    account_sid: str = ACCOUNT,
) -> Sim:
    """The Sim of all examples, with the given differences."""
    url = f"{HOSTS[vendor.name]}/v1/Sims/HSaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
    return Sim(
        sid=SID,
        status=status,
        unique_name=unique_name,
        account_sid=account_sid,
        iccid="89883070000123456789",
        fleet_sid=fleet_sid,
        date_created=datetime(2015, 7, 30, 20, 0, tzinfo=UTC),
        date_updated=datetime(2015, 7, 30, 20, 0, tzinfo=UTC),
        url=url,
        links={
            "billing_periods": f"{url}/BillingPeriods",
            "sim_ip_addresses": f"{url}/IpAddresses",
        },
    )


# Only the register example writes a missing name as "" (both documents).
EXAMPLES: dict[str, dict[str, Any]] = {
    "register": {"unique_name": ""},
    "fetch": {"unique_name": "My SIM"},
    "updateUniqueName": {"unique_name": "MySIM"},
    "updateStatus": {"status": "scheduled"},
    "updateFleetWithSid": {"fleet_sid": FLEET},
    "updateFleetWithUniqueName": {"fleet_sid": FLEET},
    "transferSimToAnotherAccount": {
        "fleet_sid": FLEET,
        "account_sid": "ACbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
    },
}


@both
@pytest.mark.parametrize("name", EXAMPLES)
def test_a_sim_response_is_decoded_as_documented(vendor: Vendor, name: str) -> None:
    body = sample(f"{vendor.name}_supersim", name)
    assert records.decode(Sim, body, vendor) == expected(vendor, **EXAMPLES[name])


@both
@pytest.mark.parametrize("name", EXAMPLES)
def test_a_sim_is_encoded_as_the_document_shows_it(vendor: Vendor, name: str) -> None:
    body = sample(f"{vendor.name}_supersim", name)
    assert records.encode(expected(vendor, **EXAMPLES[name]), vendor) == body


LISTS: dict[str, list[dict[str, Any]]] = {
    "list readEmpty": [],
    "list readFullByFleetSid": [{"unique_name": "My SIM", "fleet_sid": FLEET}],
    "list readFullByFleetName": [{"unique_name": "My SIM", "fleet_sid": FLEET}],
    "list readByIccid": [{"unique_name": "My SIM"}],
}


@both
@pytest.mark.parametrize("name", LISTS)
def test_a_list_is_decoded_with_all_rows_and_no_next_page(vendor: Vendor, name: str) -> None:
    page = pages.decode_page(sample(f"{vendor.name}_supersim", name), "sims")
    rows = [records.decode(Sim, row, vendor) for row in page.rows]
    assert rows == [expected(vendor, **row) for row in LISTS[name]]
    assert (page.next_page_url, page.next_query, page.next_origin) == (None, None, None)


@both
def test_a_fleet_is_decoded_and_encoded_as_the_document_shows_it(vendor: Vendor) -> None:
    fleet = Fleet(
        sid=FLEET,
        unique_name="unique_name",
        account_sid=ACCOUNT,
        data_enabled=True,
        data_limit=1000,
        data_metering="payg",
        sms_commands_enabled=True,
        sms_commands_url=None,
        sms_commands_method="POST",
        ip_commands_url=None,
        ip_commands_method="POST",
        network_access_profile_sid="HAaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        date_created=datetime(2019, 7, 30, 20, 0, tzinfo=UTC),
        date_updated=datetime(2019, 7, 30, 20, 0, tzinfo=UTC),
        url=f"{HOSTS[vendor.name]}/v1/Fleets/HFaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    )
    body = sample(f"{vendor.name}_supersim", "fleet")
    assert records.decode(Fleet, body, vendor) == fleet
    assert records.encode(fleet, vendor) == body

from __future__ import annotations

import pytest

from asyncsim.vendors import KORE, TWILIO, VENDORS, Hosts, Product, Vendor, emulator_hosts


def test_the_hosts_are_the_documented_ones() -> None:
    assert TWILIO.hosts == Hosts(
        wireless="https://wireless.twilio.com",
        supersim="https://supersim.twilio.com",
        monitor="https://monitor.twilio.com",
    )
    assert KORE.hosts == Hosts(
        wireless="https://programmable-wireless.api.korewireless.com",
        supersim="https://supersim.api.korewireless.com",
        webhooks="https://webhook.api.korewireless.com",
        token="https://api.korewireless.com/api-services/v1/auth/token",
    )


def test_given_hosts_override_the_vendors_without_their_trailing_slash() -> None:
    hosts = Hosts(supersim="http://gateway/sim/", token="http://gateway/token").over(KORE.hosts)
    assert hosts.supersim == "http://gateway/sim"
    assert hosts.token == "http://gateway/token"
    assert hosts.wireless == KORE.hosts.wireless
    assert hosts.monitor is None


@pytest.mark.parametrize("vendor", [TWILIO, KORE], ids=["twilio", "kore"])
def test_hosts_that_are_not_given_are_the_vendors(vendor: Vendor) -> None:
    assert Hosts().over(vendor.hosts) == vendor.hosts


def test_each_product_has_its_host_or_none() -> None:
    assert TWILIO.hosts.of(Product.MONITOR) == "https://monitor.twilio.com"
    assert KORE.hosts.of(Product.MONITOR) is None
    assert KORE.hosts.of(Product.WEBHOOKS) == "https://webhook.api.korewireless.com"


def test_products_have_labels() -> None:
    assert [product.label for product in Product] == [
        "Programmable Wireless",
        "Super SIM",
        "Monitor",
        "Webhooks",
    ]


def test_vendors_are_found_by_name() -> None:
    assert {name: vendor.name for name, vendor in VENDORS.items()} == {
        "twilio": "twilio",
        "kore": "kore",
    }


def test_the_emulator_has_hosts_for_the_vendors_apis() -> None:
    base = "http://127.0.0.1:8900"
    assert emulator_hosts(f"{base}/", TWILIO) == Hosts(
        wireless=f"{base}/twilio/wireless",
        supersim=f"{base}/twilio/supersim",
        monitor=f"{base}/twilio/monitor",
    )
    assert emulator_hosts(base, KORE) == Hosts(
        wireless=f"{base}/kore/wireless",
        supersim=f"{base}/kore/supersim",
        webhooks=f"{base}/kore/webhooks",
        token=f"{base}/kore/auth/token",
    )


@pytest.mark.parametrize(
    "url",
    [
        "ftp://gateway:hunter2@example.com",
        "https://user:hunter2@example.com",
        "http://[::1",
        "https://example.com:port",
        "https://example.com?hunter2",
        "example.com/hunter2",
        "",
    ],
)
def test_an_unusable_base_url_is_rejected_and_not_quoted(url: str) -> None:
    with pytest.raises(ValueError, match=r"Hosts\(supersim=\.\.\.\) must read") as caught:
        Hosts(supersim=url)
    assert "hunter2" not in str(caught.value)


def test_a_gateway_url_with_a_port_and_a_prefix_is_accepted() -> None:
    assert Hosts(wireless="http://[::1]:8080/twilio/wireless").wireless is not None

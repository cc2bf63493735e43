"""Valid calls. Both type checkers must accept every line."""

from __future__ import annotations

from datetime import datetime
from typing import Unpack, assert_type

from asyncsim.clock import SYSTEM_CLOCK, Clock, ManualClock
from asyncsim.events import Event, Observer, RequestFinished, notify
from asyncsim.kind import Kind
from asyncsim.models.supersim import fleets, sims as supersim
from asyncsim.models.wireless import rate_plans, sims as wireless
from asyncsim.vendors import KORE, TWILIO, Hosts, Product, Vendor


def register(**fields: Unpack[supersim.SimRegister]) -> None: ...
def update_supersim(**changes: Unpack[supersim.SimUpdate]) -> None: ...
def list_supersim(**filters: Unpack[supersim.SimFilter]) -> None: ...
def update_wireless(**changes: Unpack[wireless.SimUpdate]) -> None: ...
def list_wireless(**filters: Unpack[wireless.SimFilter]) -> None: ...


def keywords_of_verbs() -> None:
    register(iccid="89883070000123456789", registration_code="H3LL0W0RLD")
    update_supersim()
    update_supersim(status="active", fleet="my-fleet")
    update_supersim(status="inactive", fleet=None, unique_name=None)
    update_supersim(callback_url="https://example.com/hook", callback_method="GET")
    list_supersim(status="scheduled", fleet="my-fleet", page_size=1000)
    update_wireless(status="suspended", rate_plan=None, sms_url="https://example.com")
    update_wireless(reset_status="resetting")
    list_wireless(status="updating", eid="89033", sim_registration_code="A")


def keywords_collected_first(changes: supersim.SimUpdate) -> None:
    changes["status"] = "ready"
    update_supersim(**changes)
    many: dict[str, supersim.SimUpdate] = {"HS1": {"status": "active"}, "HS2": changes}
    update_supersim(**many["HS1"])


def records(sim: supersim.Sim, old: wireless.Sim) -> None:
    assert_type(sim.sid, str)
    assert_type(sim.fleet_sid, str | None)
    assert_type(sim.date_created, datetime | None)
    assert_type(sim.links, dict[str, str] | None)
    assert_type(old.eid, str | None)
    # Statuses are open: a status that a vendor adds later can be compared with.
    if sim.status == "active" or old.status == "hibernating":
        print((sim.status or "unknown").upper())
    supersim.Sim(sid="HS1", status="hibernating")
    fleets.Fleet(sid="HF1")
    rate_plans.RatePlan(sid="WP1", international_roaming=("data", "messaging"))


def kinds() -> None:
    assert_type(supersim.SIMS, Kind[supersim.Sim])
    assert_type(wireless.SIMS.model, type[wireless.Sim])


def vendors(vendor: Vendor) -> None:
    assert_type(vendor.hosts.of(Product.SUPERSIM), str | None)
    Hosts(supersim="http://127.0.0.1:8900/twilio/supersim").over(TWILIO.hosts)
    print(vendor is KORE)


def observe(event: Event) -> None:
    if isinstance(event, RequestFinished):
        assert_type(event.status, int | None)


def observers_and_clocks() -> None:
    seen: list[Event] = []
    observers: list[Observer] = [observe, seen.append, print]
    notify(
        observers,
        RequestFinished(
            method="GET", product="supersim", path="/v1/Sims", status=200, seconds=0.1, attempt=1
        ),
    )
    clocks: list[Clock] = [SYSTEM_CLOCK, ManualClock()]
    print(clocks)

"""Invalid calls. Both type checkers must reject each marked line, and no other."""

from __future__ import annotations

from typing import Unpack

from asyncsim.clock import Clock
from asyncsim.events import Event, Observer, TokenMinted
from asyncsim.models.supersim import sims as supersim
from asyncsim.models.wireless import sims as wireless
from asyncsim.vendors import Hosts, Vendor


def register(**fields: Unpack[supersim.SimRegister]) -> None: ...
def update_supersim(**changes: Unpack[supersim.SimUpdate]) -> None: ...
def list_supersim(**filters: Unpack[supersim.SimFilter]) -> None: ...
def update_wireless(**changes: Unpack[wireless.SimUpdate]) -> None: ...
def list_wireless(**filters: Unpack[wireless.SimFilter]) -> None: ...


def keywords_of_verbs() -> None:
    register(iccid="89883070000123456789")  # E: the code is required
    register(iccid=89883070000123456789, registration_code="H3LL0W0RLD")  # E: an ICCID is text
    register(iccid="8988", registration_code="H", status="new")  # E: unknown keyword
    update_supersim(statsu="active")  # E: misspelt keyword
    update_supersim(status="activ")  # E: misspelt status
    update_supersim(status="scheduled")  # E: only the vendor sets this status
    update_supersim(status="new")  # E: no SIM returns to new
    update_supersim(status=None)  # E: a status cannot be cleared
    update_supersim(fleet=7)  # E: a Fleet is named by text
    update_supersim(callback_method="PUT")  # E: GET or POST
    update_supersim(rate_plan="WP1")  # E: of the other product
    list_supersim(status="gone")  # E: unknown status
    list_supersim(page_size="50")  # E: a number
    update_wireless(status="canceled")  # E: only the vendor sets this status
    update_wireless(status="inactive")  # E: of the other product
    update_wireless(reset_status="reset")  # E: the only value is resetting
    update_wireless(fleet="HF1")  # E: of the other product
    list_wireless(EId="89033")  # E: keywords are snake_case
    list_wireless(status="deleted")  # E: no document lists it for the filter


def keywords_collected_first(changes: supersim.SimUpdate) -> None:
    changes["status"] = "scheduled"  # E: wrong value
    changes["stauts"] = "active"  # E: misspelt key
    supersim.SimUpdate(status="gone")  # E: wrong value
    supersim.SimRegister(iccid="8988")  # E: missing key


def records(sim: supersim.Sim) -> None:
    print(sim.status.upper())  # E: it may be None
    sim.status = "active"  # E: a record cannot be changed
    print(sim.fleet)  # E: no such attribute
    print(sim.unique_name.upper())  # E: it may be None
    supersim.Sim(status="new")  # E: the SID is required
    supersim.Sim("HS1", "new")  # E: keywords only


def others(vendor: Vendor) -> None:
    Hosts("https://example.com")  # E: keywords only
    Hosts(super_sim="https://example.com")  # E: unknown product
    vendor.name = "kore"  # E: data cannot be changed
    TokenMinted(generation=1)  # E: missing part


def no_parameter() -> None: ...
def two_parameters(event: Event, more: int) -> None: ...


observers: list[Observer] = []
observers.append(no_parameter)  # E: an observer takes the event
observers.append(two_parameters)  # E: an observer takes nothing else
clock: Clock = 7.5  # E: not a clock

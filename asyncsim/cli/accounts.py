"""The account that a command works on, and its SIMs of either product behind one shape."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol, Unpack, cast, get_args

from attrs import asdict, fields

from asyncsim import Client, ConfigurationError, Pager
from asyncsim.bulk.actions import Action, clearable
from asyncsim.cli.exits import CommandError, Exit
from asyncsim.client import Settings
from asyncsim.models.supersim import sims as supersim
from asyncsim.models.wireless import sims as wireless
from asyncsim.suggestions import did_you_mean
from asyncsim.vendors import Product as Of

ProductName = Literal["supersim", "wireless"]
VendorName = Literal["twilio", "kore"]


class Sim(Protocol):
    """What the Sims of both products have."""

    @property
    def sid(self) -> str:
        """The SID."""
        ...

    @property
    def status(self) -> str | None:
        """The status; None where the vendor shows none."""
        ...

    @property
    def iccid(self) -> str | None:
        """The ICCID."""
        ...

    @property
    def unique_name(self) -> str | None:
        """The unique name."""
        ...


class Sims(Protocol):
    """`client.supersim.sims` or `client.wireless.sims`, with keywords that came as text."""

    async def fetch(self, sid: str, /) -> Sim:
        """Fetch one."""
        ...

    def list(self, **filters: Any) -> Pager[Sim]:
        """List them."""
        ...

    async def update(self, sid: str, /, **changes: Any) -> Sim:
        """Send a change."""
        ...

    async def update_and_wait(
        self, sid: str, /, *, timeout: float | None = None, **changes: Any
    ) -> Sim:
        """Send a change and wait."""
        ...

    async def await_transition(
        self, sim: str, /, *, until: Any = None, timeout: float | None = None
    ) -> Sim:
        """Wait."""
        ...


def log_in(vendor: str | None, **settings: Unpack[Settings]) -> Client:
    """Make a client from the environment's credentials."""
    settings["proxies_from_env"] = True
    try:
        return Client.from_env(vendor, **settings)
    except ConfigurationError as error:
        text = str(error).replace("vendor='twilio' or 'kore'", "--vendor twilio or --vendor kore")
        raise CommandError(text, Exit.CREDENTIALS) from error


def sims_of(client: Client, product: str) -> Sims:
    """The SIMs of a product."""
    sims = client.wireless.sims if product == "wireless" else client.supersim.sims
    # Keywords come as text here; the library checks each before anything is sent.
    return cast("Sims", sims)


def fields_of(product: str) -> list[str]:
    """Names of all fields of a product's Sims."""
    return [field.name for field in fields(wireless.Sim if product == "wireless" else supersim.Sim)]


def row_of(sim: Sim) -> dict[str, Any]:
    """A SIM as a row of output, with all its fields."""
    return asdict(cast("Any", sim))  # the Sims of both products are attrs classes


def changes_of(
    product: str,
    *,
    status: str | None = None,
    fleet: str | None = None,
    rate_plan: str | None = None,
    unique_name: str | None = None,
    friendly_name: str | None = None,
    account_sid: str | None = None,
    clear: Sequence[str] | None = None,
) -> dict[str, str | None]:
    """The keywords of an update, from options of which each product has its own; None clears."""
    if fleet is not None and product == "wireless":
        raise CommandError("--fleet is for Super SIM; Programmable Wireless has --rate-plan")
    if rate_plan is not None and product == "supersim":
        raise CommandError("--rate-plan is for Programmable Wireless; Super SIM has --fleet")
    if friendly_name is not None and product == "supersim":
        raise CommandError("--friendly-name is for Programmable Wireless; Super SIM has none")
    given = {
        "status": status,
        "fleet": fleet,
        "rate_plan": rate_plan,
        "unique_name": unique_name,
        "friendly_name": friendly_name,
        "account_sid": account_sid,
    }
    asked = {name: value for name, value in given.items() if value is not None}
    return {**asked, **_cleared(product, clear or (), asked)}


def _cleared(product: str, given: Sequence[str], asked: Mapping[str, str]) -> dict[str, None]:
    """What `--clear` names, as in `fleet,unique-name`."""
    names = [name.strip() for text in given for name in text.split(",")]
    keywords = dict.fromkeys(name.replace("-", "_") for name in names)
    known = clearable(Of(product), Action.UPDATE)
    for keyword in keywords:
        option = keyword.replace("_", "-")
        if keyword in asked:
            raise CommandError(f"--clear {option} and --{option} contradict each other")
        if keyword not in known:
            listed = ", ".join(known).replace("_", "-")
            raise CommandError(f"--clear {option}: what can be cleared is {listed}")
    return keywords


def check_status(product: str, status: str | None) -> None:
    """Refuse a status that cannot be asked for, before any SIM is looked up."""
    wanted = wireless.RequestableStatus if product == "wireless" else supersim.RequestableStatus
    # `new` is asked for only along with a move to another account, for which there is no option.
    known = [name for name in get_args(wanted) if name != "new"]
    if status is not None and status not in known:
        hint = did_you_mean(status, known, f"it can be {', '.join(known)}")
        raise CommandError(f"--status {status}: {hint}")


def check_confirmed(status: str | None, confirmed: int | None) -> None:
    """Refuse what can never be taken back, unless it was confirmed.

    Only `deactivated` is such a status: after 72 hours the SIM is canceled for ever. Source: KORE
    docs, "Wireless Sim Resource".
    """
    if status == "deactivated" and confirmed != 1:
        raise CommandError(
            "this would deactivate 1 SIM, for ever; nothing was sent: confirm it with --confirm 1",
            Exit.REFUSED,
        )

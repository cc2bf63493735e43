"""Accounts and their SIMs: credentials from the environment, one interface to both products."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Protocol, Unpack, cast, get_args

from asyncsim import Client, ConfigurationError, NotFound, Pager, Throttle
from asyncsim.cli.common_options import common_options
from asyncsim.cli.exits import CommandError, Exit
from asyncsim.cli.output import printable, say
from asyncsim.cli.rereading import ProfileReader
from asyncsim.client import Settings
from asyncsim.models.supersim import sims as supersim
from asyncsim.models.wireless import sims as wireless
from asyncsim.observers import log
from asyncsim.profiles import NAME_VARIABLE, Profile, read_profiles
from asyncsim.suggestions import did_you_mean
from asyncsim.validation import looks_like_iccid, looks_like_sid
from asyncsim.vendors import VENDORS, Product as Of, emulator_hosts

ProductName = Literal["supersim", "wireless"]
VendorName = Literal["twilio", "kore"]


class Sim(Protocol):
    """The attributes that the Sims of both products have."""

    @property
    def sid(self) -> str:
        """The SID."""
        ...

    @property
    def status(self) -> str | None:
        """The status; None if the vendor shows none."""
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
    """`client.supersim.sims` or `client.wireless.sims`, with keywords as text."""

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


def with_common_options(settings: Settings) -> Settings:
    """Add to the settings of a client what the options of every command say."""
    options = common_options()
    settings["proxies_from_env"] = True
    settings["proxy"] = options.checked_proxy()
    settings["ssl"] = options.tls()
    if options.verbose:
        settings["observers"] = [*settings.get("observers", ()), log]
    return settings


def log_in(vendor: str | None, **settings: Unpack[Settings]) -> Client:
    """Create a client with the credentials that the command line, or the environment, names."""
    settings = with_common_options(settings)
    try:
        profile = profile_in_use(vendor)
        if profile is None:
            return Client.from_env(vendor, **settings)
        if vendor not in (None, profile.vendor):
            text = (
                f"profile {profile.name!r} belongs to {profile.vendor}: choose another --profile,"
                " or omit --vendor"
            )
            raise ConfigurationError(text)
        return log_in_with(profile, settings)
    except ConfigurationError as error:
        text = str(error).replace("vendor='twilio' or 'kore'", "--vendor twilio or --vendor kore")
        text = text.replace("no credentials in the environment: set", f"{_NONE} set")
        raise CommandError(text, Exit.CREDENTIALS) from error


def log_in_with(profile: Profile, settings: Settings) -> Client:
    """Create a client with a profile, which need not be stored."""
    if (emulator := os.environ.get("ASYNCSIM_EMULATOR")) and settings.get("hosts") is None:
        settings["hosts"] = emulator_hosts(emulator, VENDORS[profile.vendor])
    create = Client.kore if profile.vendor == "kore" else Client.twilio
    credentials = profile.credentials()
    client = create(**credentials, **settings)
    client.context.reread_credentials = ProfileReader(profile, credentials)
    return client


def log_in_to_all(
    make_throttle: Callable[[], Throttle] = Throttle, **settings: Unpack[Settings]
) -> list[Client]:
    """Create a client for each account, for a program that serves several.

    Uses the profiles that --profile or ASYNCSIM_PROFILE names; otherwise every profile, and the
    accounts whose credentials are in the environment. Each client gets its own throttle, because
    clients with the same throttle share its limit.
    """

    def settings_of_one() -> Settings:
        mine = settings.copy()
        mine["throttle"] = make_throttle()
        return with_common_options(mine)

    named = common_options().profiles or tuple(filter(None, [os.environ.get(NAME_VARIABLE)]))
    stored = read_profiles()
    profiles = [stored.choose(one) for one in named] if named else [*stored.by_name.values()]
    clients: dict[tuple[str, str], Client] = {}
    used: dict[tuple[str, str], str] = {}
    try:
        for profile in profiles:
            account = (profile.vendor, profile.account)
            if account in clients:
                _tell_unused(account, used[account], f"of profile {profile.name}")
                continue
            clients[account] = log_in_with(profile, settings_of_one())
            used[account] = profile.name
        for vendor, variable in () if named else _ACCOUNTS.items():
            if os.environ.get(variable) or os.environ.get("ASYNCSIM_EMULATOR"):
                client = Client.from_env(vendor, **settings_of_one())
                account = (vendor, client.context.account)
                if account in clients:
                    _tell_unused(account, used[account], "from the environment")
                clients.setdefault(account, client)
    except ConfigurationError as error:
        raise CommandError(str(error), Exit.CREDENTIALS) from error
    if not clients:
        names = " or ".join(_ACCOUNTS.values())
        raise CommandError(f"{_NONE} set {names}", Exit.CREDENTIALS)
    return [*clients.values()]


def _tell_unused(account: tuple[str, str], used: str, unused: str) -> None:
    vendor, number = account
    say(
        printable(
            f"{vendor} {masked(number)}: using the credentials of profile {used}, not those"
            f" {unused}; pass --profile to choose"
        )
    )


_NONE = "no profile, and no credentials in the environment: run asyncsim auth login, or"
_ACCOUNTS = {"twilio": "TWILIO_ACCOUNT_SID", "kore": "ASYNCSIM_KORE_CLIENT_ID"}


def named_profile() -> str | None:
    """Return the profile that --profile or ASYNCSIM_PROFILE names."""
    return common_options().profile or os.environ.get(NAME_VARIABLE) or None


def profile_in_use(vendor: str | None = None) -> Profile | None:
    """Return the profile that `log_in` takes; None: the environment's credentials.

    The one that --profile or ASYNCSIM_PROFILE names comes before the environment's credentials, the
    current one after them.
    """
    if named := named_profile():
        return read_profiles().choose(named)
    variables = [name for of, name in _ACCOUNTS.items() if vendor in (None, of)]
    if any(os.environ.get(name) for name in (*variables, "ASYNCSIM_EMULATOR")):
        return None
    stored = read_profiles()
    return None if stored.current is None else stored.choose()


def masked(account: str) -> str:
    """Show enough of an account to recognise it."""
    return account if len(account) <= 8 else f"{account[:4]}...{account[-4:]}"


def sims_of(client: Client, product: str) -> Sims:
    """The SIMs of a product."""
    sims = client.wireless.sims if product == "wireless" else client.supersim.sims
    # Keywords are text here; the library validates each before anything is sent.
    return cast("Sims", sims)


def model_of(product: str) -> type[Any]:
    """The record of a product's Sims."""
    return wireless.Sim if product == "wireless" else supersim.Sim


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
    """Return the keywords of an update; None clears. Each product has its own options."""
    if fleet is not None and product == "wireless":
        raise CommandError("--fleet is for Super SIM; Programmable Wireless has --rate-plan")
    if rate_plan is not None and product == "supersim":
        raise CommandError("--rate-plan is for Programmable Wireless; Super SIM has --fleet")
    if friendly_name is not None and product == "supersim":
        raise CommandError("--friendly-name is for Programmable Wireless, not for Super SIM")
    given = {
        "status": status,
        "fleet": fleet,
        "rate_plan": rate_plan,
        "unique_name": unique_name,
        "friendly_name": friendly_name,
        "account_sid": account_sid,
    }
    asked = {name: value for name, value in given.items() if value is not None}
    return {**asked, **_cleared(product, clear, asked)} if clear else {**asked}


def _cleared(product: str, given: Sequence[str], asked: Mapping[str, str]) -> dict[str, None]:
    """Return the fields of `--clear`, such as `fleet,unique-name`."""
    from asyncsim.bulk.actions import Action, clearable  # with SQLAlchemy: only where needed

    names = [name.strip() for text in given for name in text.split(",")]
    keywords = dict.fromkeys(name.replace("-", "_") for name in names)
    known = clearable(Of(product), Action.UPDATE)
    for keyword in keywords:
        option = keyword.replace("_", "-")
        if keyword in asked:
            raise CommandError(f"--clear {option} and --{option} contradict each other")
        if keyword not in known:
            listed = ", ".join(known).replace("_", "-")
            raise CommandError(f"--clear {option}: only {listed} can be cleared")
    return keywords


def check_status(product: str, status: str | None) -> None:
    """Reject a status that cannot be requested, before any SIM is read."""
    wanted = wireless.RequestableStatus if product == "wireless" else supersim.RequestableStatus
    # `new` is only requested together with a move to another account, which has no option here.
    known = [name for name in get_args(wanted) if name != "new"]
    if status is not None and status not in known:
        hint = did_you_mean(status, known, f"it must be one of {', '.join(known)}")
        raise CommandError(f"--status {status}: {hint}")


def check_confirmed(status: str | None, confirmed: int | None, count: int = 1) -> None:
    """Reject an irreversible change that was not confirmed.

    Only `deactivated` is irreversible: after 72 hours the SIM becomes `canceled`. Source: KORE
    docs, "Wireless Sim Resource".
    """
    if status == "deactivated" and confirmed != count:
        sims = "1 SIM" if count == 1 else f"{count:,} SIMs"
        raise CommandError(
            f"deactivating {sims} is irreversible; nothing was sent: confirm it with"
            f" --confirm {count}",
            Exit.REFUSED,
        )


_PRODUCTS = {"HS": "supersim", "DE": "wireless"}


def check_product(product: str, name: str) -> None:
    """Reject the SID of a SIM of the other product."""
    if (prefix := name[:2]) in _PRODUCTS and looks_like_sid(name) and _PRODUCTS[prefix] != product:
        raise CommandError(
            f"{name} is a SIM of the other product: use --product {_PRODUCTS[prefix]}"
        )


async def find(sims: Sims, name: str) -> Sim | None:
    """Find one SIM by SID, unique name or ICCID."""
    if looks_like_iccid(name):
        page = await sims.list(iccid=name)
        if page.bad:
            raise page.bad[0].error
        return page.items[0] if page.items else None
    try:
        return await sims.fetch(name)
    except NotFound:
        return None


async def find_one(sims: Sims, name: str) -> Sim:
    """Find one SIM; CommandError if there is none."""
    found = await find(sims, name)
    if found is None:
        raise CommandError(f"no SIM of this account and product is named {name}", Exit.FAILED)
    return found

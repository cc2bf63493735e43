"""`asyncsim auth`: profiles, that is, named accounts with their secrets or references to them."""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Iterator
from typing import Annotated, Any

from cyclopts import App, Parameter

from asyncsim import AsyncSimError, Client, ConfigurationError
from asyncsim.cli import profile_file
from asyncsim.cli.accounts import (
    VendorName,
    log_in_with,
    masked,
    profile_in_use,
    with_common_options,
)
from asyncsim.cli.exits import CommandError, Exit, exit_code
from asyncsim.cli.options import Output
from asyncsim.cli.output import Row, printable, printer, say, show_table
from asyncsim.cli.probes import PROBE_SETTINGS, probe_products
from asyncsim.cli.signals import ask, interrupting_question
from asyncsim.client import Settings
from asyncsim.profiles import VENDOR_FIELDS, Profile, is_reference, read_profiles
from asyncsim.redaction import Redacted

auth = App(
    name="auth",
    help="Profiles: log in, log out, switch between accounts.",
    help_format="plaintext",
)

_COLUMNS = ("use", "profile", "vendor", "account", "secret", "check")
_ENVIRONMENT = {
    "twilio": ("TWILIO_ACCOUNT_SID", ("TWILIO_API_SECRET", "TWILIO_AUTH_TOKEN")),
    "kore": ("ASYNCSIM_KORE_CLIENT_ID", ("ASYNCSIM_KORE_CLIENT_SECRET",)),
}

Plain = Annotated[str | None, Parameter(show_default=False)]
Secret = Annotated[str | None, Parameter(show_default=False)]


@auth.command
async def login(
    name: Annotated[str, Parameter(help="Name of the profile.")] = "default",
    /,
    *,
    vendor: Annotated[VendorName | None, Parameter(help="twilio or kore.")] = None,
    account_sid: Annotated[Plain, Parameter(help="Twilio: account SID.")] = None,
    auth_token: Annotated[Secret, Parameter(help="Twilio: reference to it.")] = None,
    api_key: Annotated[Plain, Parameter(help="Twilio: SID of an API key.")] = None,
    api_secret: Annotated[Secret, Parameter(help="Its secret: a reference.")] = None,
    client_id: Annotated[Plain, Parameter(help="KORE: client id.")] = None,
    client_secret: Annotated[Secret, Parameter(help="KORE: reference to it.")] = None,
    webhook_secret: Annotated[
        list[str] | None,
        Parameter(help="KORE: reference; repeatable.", negative=(), show_default=False),
    ] = None,
    from_stdin: Annotated[
        bool, Parameter(help="Read the secret from stdin.", negative="", show_default=False)
    ] = False,
    check: Annotated[bool, Parameter(help="Store only what the vendor accepts.")] = True,
) -> None:
    """Store credentials as a profile, and make it the current one.

    A reference is env:NAME, file:PATH or command:PROGRAM ARGUMENTS. Prompts for what is missing.

    Example: asyncsim auth login work --account-sid AC... --auth-token env:TOKEN
    """
    given = {
        "account_sid": account_sid,
        "auth_token": auth_token,
        "api_key": api_key,
        "api_secret": api_secret,
        "client_id": client_id,
        "client_secret": client_secret,
        "webhook_secrets": webhook_secret or None,
    }
    values = {field: value for field, value in given.items() if value is not None}
    profile = _completed(name, vendor, values, from_stdin=from_stdin)
    try:
        if check:
            await _verify(profile)
    except ConfigurationError as error:
        raise CommandError(f"{error}; nothing was stored", Exit.CREDENTIALS) from error
    profile_file.store(profile)
    say(f"stored profile {name} ({profile.vendor}, {masked(profile.account)}); it is now current")


def _completed(
    name: str, vendor: str | None, values: dict[str, Any], *, from_stdin: bool
) -> Profile:
    """Check what the options say, and read the rest from stdin or from a person."""
    named = [of for of, fields in VENDOR_FIELDS.items() if values.keys() & fields.names]
    vendor = vendor or (named[0] if named else None) or _ask("Vendor (twilio or kore)")
    if vendor not in VENDOR_FIELDS or named not in ([], [vendor]):
        raise CommandError("these options belong to different vendors; choose twilio or kore")
    fields = VENDOR_FIELDS[vendor]
    for field in values.keys() & fields.secret:
        for text in [values[field]] if isinstance(values[field], str) else values[field]:
            if not is_reference(text):
                option = "--" + field.removesuffix("s").replace("_", "-")
                raise CommandError(
                    f"{option} takes a reference (env:NAME, file:PATH or command:...), because"
                    " other users of this machine can read command lines; to type or pipe the"
                    " secret itself, omit it or use --from-stdin"
                )
    if not values.get(fields.account):
        values[fields.account] = _ask(fields.account.replace("_", " ").capitalize())
    main = fields.secret_for(values)
    if from_stdin:
        values[main] = Redacted(sys.stdin.readline(_LONGEST).strip())
    elif main not in values:
        values[main] = _ask_secret(main.replace("_", " ").capitalize())
    if not values[main]:
        raise CommandError(f"the {main.replace('_', ' ')} is empty; nothing was stored")
    return Profile(name=name, vendor=vendor, values=values)


_LONGEST = 4096  # characters of a secret


def _ask(what: str) -> str:
    _require_person(what)
    return ask(f"{what}: ", _LONGEST)


def _ask_secret(what: str) -> Redacted:
    _require_person(what)
    with interrupting_question():
        return Redacted(getpass.getpass(f"{what} (not shown; or env:, file:, command:): ").strip())


def _require_person(what: str) -> None:
    if not (sys.stdin and sys.stdin.isatty()):
        raise CommandError(f"{what.lower()}: not given, and no terminal to ask on; see --help")


async def _verify(profile: Profile) -> None:
    """Raise unless the vendor accepts the credentials for one product at least."""
    settings: Settings = {**PROBE_SETTINGS}
    async with log_in_with(profile, with_common_options(settings)) as client:
        probes = await probe_products(client)
    if not any(probe.error is None for probe in probes):
        error = probes[0].error
        raise CommandError(f"{error}; nothing was stored", exit_code(error or Exception()))


@auth.command
async def status(
    *,
    check: Annotated[
        bool, Parameter(help="Ask the vendors whether they work.", negative="", show_default=False)
    ] = False,
    output: Output = "table",
) -> Exit:
    """Show all profiles, where their secrets come from, and which one is in use.

    Example: asyncsim auth status --check
    """
    try:
        used = profile_in_use()
        stored = read_profiles()
    except ConfigurationError as error:
        raise CommandError(str(error), Exit.CREDENTIALS) from error
    rows = _ProfileTable() if output == "table" else printer(output, _COLUMNS)
    code = Exit.OK
    found: list[tuple[dict[str, Any], Profile | str]] = [*_environment_rows(in_use=used is None)]
    found += [(_row(one, in_use=one == used), one) for one in stored.by_name.values()]
    for row, source in found:
        if check:
            row["check"] = problem = await _problem(source)
            if problem != "ok" and row["use"]:
                code = Exit.CREDENTIALS
        rows.row(row)
    rows.close()
    if not found:
        raise CommandError(
            "no profiles and no credentials: run asyncsim auth login", Exit.CREDENTIALS
        )
    return code


class _ProfileTable:
    """A table that fits into 80 columns: what is wrong goes below it."""

    def __init__(self) -> None:
        from rich.table import Table

        self._table = Table(*_COLUMNS, box=None, padding=(0, 1), pad_edge=False)
        for column in self._table.columns:
            column.overflow, column.no_wrap = "fold", column.header in ("use", "vendor", "account")
        self._problems: list[str] = []

    def row(self, row: Row) -> None:
        from rich.text import Text

        problem = str(row["check"])
        if problem not in ("", "ok"):
            row = {**row, "check": "failed"}
            self._problems.append(f"{row['profile']}: {problem}")
        self._table.add_row(*(Text(printable(str(row[name]))) for name in _COLUMNS))

    def close(self) -> None:
        show_table(self._table)
        for problem in self._problems:
            say(problem)


def _environment_rows(*, in_use: bool) -> Iterator[tuple[dict[str, Any], str]]:
    for vendor, (account, secrets) in _ENVIRONMENT.items():
        if name := os.environ.get(account):
            source = next((one for one in secrets if os.environ.get(one)), "missing")
            yield _shown(in_use, "(environment)", vendor, name, f"env:{source}"), vendor


def _row(profile: Profile, *, in_use: bool) -> dict[str, Any]:
    sources = dict.fromkeys(_source(one) for secrets in profile.secrets.values() for one in secrets)
    return _shown(in_use, profile.name, profile.vendor, profile.account, ", ".join(sources))


def _shown(in_use: bool, name: str, vendor: str, account: str, secret: str) -> dict[str, Any]:
    return {
        "use": "*" if in_use else "",
        "profile": name,
        "vendor": vendor,
        "account": masked(account),
        "secret": secret or "none",
        "check": "",
    }


def _source(secret: str) -> str:
    """Name the place of a secret; of a command only its program."""
    if not is_reference(secret):
        return "in the file"
    return (
        secret.split(" ", 1)[0] + " ..."
        if secret.startswith("command:") and " " in secret
        else secret
    )


async def _problem(source: Profile | str) -> str:
    """Say `ok`, or why the vendor rejects the credentials."""
    settings: Settings = {**PROBE_SETTINGS}
    try:
        if isinstance(source, Profile):
            client = log_in_with(source, with_common_options(settings))
        else:
            client = Client.from_env(source, **with_common_options(settings))
        async with client:
            errors = [probe.error for probe in await probe_products(client)]
    except AsyncSimError as error:
        errors = [error]
    return "ok" if None in errors else printable(str(errors[0]))


@auth.command
async def switch(name: Annotated[str, Parameter(help="Name of a profile.")], /) -> None:
    """Make a profile the current one.

    Example: asyncsim auth switch work
    """
    _chosen(name)
    profile_file.switch(name)
    say(f"profile {name} is now current")


@auth.command
async def logout(
    name: Annotated[str | None, Parameter(help="Name; default: the current one.")] = None, /
) -> None:
    """Remove a profile; the credentials stay valid at the vendor.

    Example: asyncsim auth logout work
    """
    profile = _chosen(name)
    profile_file.remove(profile.name)
    say(f"removed profile {profile.name}; its credentials stay valid at the vendor")


def _chosen(name: str | None) -> Profile:
    try:
        return read_profiles().choose(name)
    except ConfigurationError as error:
        raise CommandError(str(error), Exit.CREDENTIALS) from error

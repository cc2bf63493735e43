"""Profiles: named accounts in a file of the user's, with their secrets or references to them.

A secret is `env:NAME`, `file:PATH` or `command:PROGRAM ARGUMENTS`, which are resolved each time
they are needed, or stands in the file itself. Files with secrets that others may read are rejected,
as ssh does.
"""

from __future__ import annotations

import os
import shlex
import stat
import subprocess
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from attrs import field, frozen

from asyncsim.errors import ConfigurationError
from asyncsim.redaction import Redacted, redact
from asyncsim.suggestions import did_you_mean

FILE_VARIABLE = "ASYNCSIM_PROFILES_FILE"
NAME_VARIABLE = "ASYNCSIM_PROFILE"
COMMAND_TIMEOUT = 30.0
"""Seconds for a command that prints a secret: a password manager may have to be unlocked."""

_LARGEST = 65_536  # bytes of a file of profiles, or of a secret
_LOGIN = "asyncsim auth login"


@frozen(kw_only=True)
class VendorFields:
    """The fields of one vendor's profiles."""

    account: str
    """The field that names the account."""
    plain: frozenset[str]
    secret: frozenset[str]
    """Keywords of the client's constructor; a text each, or a list for those in the plural."""

    @property
    def names(self) -> frozenset[str]:
        """All of them."""
        return self.plain | self.secret

    def secret_for(self, values: Mapping[str, Any]) -> str:
        """The secret that logs in: at Twilio that of the API key, if there is one."""
        if "client_id" in self.plain:
            return "client_secret"
        return "api_secret" if values.get("api_key") else "auth_token"


VENDOR_FIELDS: Mapping[str, VendorFields] = {
    "twilio": VendorFields(
        account="account_sid",
        plain=frozenset({"account_sid", "api_key"}),
        secret=frozenset({"auth_token", "api_secret"}),
    ),
    "kore": VendorFields(
        account="client_id",
        plain=frozenset({"client_id"}),
        secret=frozenset({"client_secret", "webhook_secrets"}),
    ),
}


@frozen(kw_only=True)
class Profile:
    """One account: `credentials()` resolves its secrets."""

    name: str
    vendor: str
    values: Mapping[str, Any] = field(repr=False)
    """As in the file: secrets, or references to them."""

    @property
    def account(self) -> str:
        """The account SID or client id."""
        return str(self.values[VENDOR_FIELDS[self.vendor].account])

    @property
    def secrets(self) -> Mapping[str, tuple[str, ...]]:
        """Its secrets or references to them, by field."""
        known = VENDOR_FIELDS[self.vendor].secret
        return {
            name: (value,) if isinstance(value, str) else tuple(value)
            for name, value in self.values.items()
            if name in known
        }

    def credentials(self) -> dict[str, Any]:
        """Resolve its secrets: the keywords of `Client.twilio`, `Client.kore` and `Client.rotate`.

        Commands run in this thread, for up to 30 seconds each. `ConfigurationError` names the
        profile, the field and what to do; it quotes no secret.
        """
        found = dict(self.values)
        for name, references in self.secrets.items():
            where = f"profile {self.name!r}, {name}"
            values = [resolve_secret(reference, where) for reference in references]
            found[name] = values[0] if isinstance(self.values[name], str) else values
        return found


@frozen(kw_only=True)
class Profiles:
    """The contents of the file."""

    path: Path
    current: str | None
    by_name: Mapping[str, Profile]

    def choose(self, name: str | None = None) -> Profile:
        """The profile of that name, else the current one."""
        name = name or self.current
        if name is None:
            raise ConfigurationError(f"no profile is current: run {_LOGIN}, or name one")
        if name not in self.by_name:
            known = f"known: {', '.join(self.by_name)}" if self.by_name else f"run {_LOGIN} {name}"
            hint = did_you_mean(name, self.by_name, known)
            raise ConfigurationError(f"there is no profile {name!r} in {self.path}: {hint}")
        return self.by_name[name]


def profiles_path() -> Path:
    """Return the file's place: that of the platform, unless ASYNCSIM_PROFILES_FILE names it."""
    if given := os.environ.get(FILE_VARIABLE):
        return Path(given)
    try:
        from platformdirs import user_config_path
    except ImportError:
        raise ConfigurationError(
            f'profiles need an extra: pip install "asyncsim[cli]"; or set {FILE_VARIABLE}'
        ) from None
    return user_config_path("asyncsim", appauthor=False) / "profiles.toml"


def read_profiles() -> Profiles:
    """Read the file; there are no profiles if it does not exist.

    `ConfigurationError` if it is not as documented, or others may read or change it.
    """
    path = profiles_path()
    try:
        text = Redacted(_read_private(path, "it holds credentials"))
    except FileNotFoundError:
        return Profiles(path=path, current=None, by_name={})
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror or error}") from error
    try:
        found = _redacted(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path}: not valid TOML: {error}") from None
    profiles, current = found.get("profiles", {}), found.get("current")
    if not isinstance(profiles, dict) or not isinstance(current, str | None):
        raise ConfigurationError(f'{path} must read: current = "name", and [profiles.name] tables')
    by_name = {name: _profile(name, table, path) for name, table in profiles.items()}
    return Profiles(path=path, current=str(current) if current else None, by_name=by_name)


def _redacted(value: Any) -> Any:
    """Hide every text of a TOML document in tracebacks."""
    if isinstance(value, dict):
        return {name: _redacted(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_redacted(one) for one in value]
    return redact(value)


def _profile(name: str, table: object, path: Path) -> Profile:
    """Check one profile; messages quote no value, as it may be a secret in the wrong place."""
    where = f"{path}: profile {name!r}"
    if not isinstance(table, dict) or table.get("vendor") not in VENDOR_FIELDS:
        raise ConfigurationError(f'{where} needs vendor = "twilio" or vendor = "kore"')
    values = {key: value for key, value in table.items() if key != "vendor"}
    fields = VENDOR_FIELDS[table["vendor"]]
    for key, value in values.items():
        if key not in fields.names:
            known = sorted(fields.names)
            hint = did_you_mean(key, known, f"it has {', '.join(known)}")
            raise ConfigurationError(f"{where} has an unknown field {key!r}: {hint}")
        plural = key == "webhook_secrets"
        if plural and isinstance(value, list) and all(isinstance(one, str) for one in value):
            continue
        if plural or not isinstance(value, str):
            what = "a list of texts" if plural else "a text"
            raise ConfigurationError(f"{where}, {key}: must be {what}")
    if not values.get(fields.account):
        raise ConfigurationError(f"{where} needs {fields.account}")
    return Profile(name=name, vendor=str(table["vendor"]), values=values)


def is_reference(text: str) -> bool:
    """Tell whether a secret is a reference, which may be shown."""
    kind, colon, _ = text.partition(":")
    return bool(colon) and kind in _RESOLVERS


def resolve_secret(text: str, where: str) -> Redacted:
    """Return the secret that `text` is or refers to; `where` names its field in errors."""
    if not is_reference(text):
        return Redacted(text)
    kind, _, rest = text.partition(":")
    try:
        found = Redacted(_RESOLVERS[kind](rest))
    except _Unresolved as problem:
        raise ConfigurationError(f"{where}: {problem}") from None
    secret = Redacted(found.removesuffix("\n").removesuffix("\r"))
    if not secret.strip():
        raise ConfigurationError(f"{where}: {kind}:... is empty")
    if "\n" in secret:
        raise ConfigurationError(f"{where}: {kind}:... has more than one line")
    return secret


class _Unresolved(Exception):
    """Why a reference has no secret."""


def _from_environment(name: str) -> str:
    value = os.environ.get(name)
    if not value:
        raise _Unresolved(f"the environment has no variable {name}: export it")
    return value


def _from_file(name: str) -> str:
    path = Path(name).expanduser()
    try:
        return _read_private(path, "it holds a secret")
    except OSError as error:
        raise _Unresolved(f"{path}: {error.strerror or error}") from None
    except ConfigurationError as error:
        raise _Unresolved(str(error)) from None


def _from_command(text: str) -> str:
    """Run a program without a shell, so that nothing in its arguments is expanded.

    Without stdin, which may be a job's input; with stderr, on which it may say what it needs.
    """
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise _Unresolved(f"command:... cannot be split into words: {error}") from None
    if not words:
        raise _Unresolved("command: names no program")
    shown = f"the command {words[0]!r}"  # its arguments may hold what is not for everybody
    try:
        ended = subprocess.run(  # noqa: S603  # the user's own command; no shell
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            timeout=COMMAND_TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise _Unresolved(f"{shown} did not end within {COMMAND_TIMEOUT:g} s") from None
    except OSError as error:
        raise _Unresolved(f"{shown} cannot be started: {error.strerror or error}") from None
    if ended.returncode != 0:
        raise _Unresolved(f"{shown} ended with exit code {ended.returncode}; run it by itself")
    if len(ended.stdout) > _LARGEST:
        raise _Unresolved(f"{shown} printed more than a secret")
    return ended.stdout.decode("utf-8", "replace")


_RESOLVERS: Mapping[str, Callable[[str], str]] = {
    "env": _from_environment,
    "file": _from_file,
    "command": _from_command,
}


def _is_open_to_others(file: os.stat_result) -> bool:
    """Tell whether others than this user may read or change a file."""
    if os.name != "posix" or not stat.S_ISREG(file.st_mode):
        return False
    # Kubernetes mounts a Secret as a file of root's that the process reads by its group; libpq
    # accepts the same of the keys that it reads.
    mounted = file.st_uid == 0 and os.geteuid() != 0
    return bool(file.st_mode & (0o037 if mounted else 0o077))


def _read_private(path: Path, why: str) -> str:
    """Read a file that nobody else may read, or change: a profile may name a command."""
    with path.open("rb") as file:
        if _is_open_to_others(os.fstat(file.fileno())):
            raise ConfigurationError(
                f"others may read or change {path}, but {why};"
                f" run: chmod 600 {shlex.quote(str(path))}"
            )
        data = file.read(_LARGEST + 1)
    if len(data) > _LARGEST:
        raise ConfigurationError(f"{path} is larger than {_LARGEST:,} bytes")
    return data.decode("utf-8", "replace")

"""The URL of a PostgreSQL database, which shows its password nowhere.

The form is libpq's: PostgreSQL documentation, "Connection URIs".
"""

from __future__ import annotations

from typing import Self
from urllib.parse import urlsplit

from attrs import field, frozen

from asyncsim.errors import ConfigurationError

_SCHEMES = ("postgresql://", "postgres://")
# Parameters of libpq that are secrets, by a part of their names: password, sslpassword,
# oauth_client_secret, scram_client_key.
_SECRET = ("password", "secret", "scram_")

_UNREADABLE = (
    "the PostgreSQL URL cannot be read: its form is postgresql://USER@HOST:PORT/DATABASE; in a user"
    " name or password write @ : / ? # % as %40 %3A %2F %3F %23 %25"
)


def is_postgres_url(text: str) -> bool:
    """Tell a URL of PostgreSQL from the path of a file."""
    return text.lower().startswith(_SCHEMES)


@frozen
class PostgresUrl:
    """A database of PostgreSQL: `postgresql://user@host:5432/database?sslmode=verify-full`.

    Several hosts, a socket's folder and all parameters of libpq are supported, and so are its
    environment variables and password file.
    """

    libpq: str = field(repr=False)
    """The whole URL, with its password, if it has one: for libpq and psycopg only."""
    shown: str
    """The URL without its secrets: for messages, logs and commands to copy."""

    @classmethod
    def parse(cls, text: str | PostgresUrl) -> Self | PostgresUrl:
        """Read a URL. Raises ConfigurationError, which never quotes the text: it may be secret."""
        if isinstance(text, PostgresUrl):
            return text
        if not is_postgres_url(text):
            raise ConfigurationError(_UNREADABLE)
        # libpq knows the scheme in lower case only.
        scheme, _, rest = text.partition("://")
        text = f"{scheme.lower()}://{rest}"
        try:
            parts = urlsplit(text, allow_fragments=False)
        except ValueError:
            raise ConfigurationError(_UNREADABLE) from None
        userinfo, at, hosts = parts.netloc.rpartition("@")
        items = [item.partition("=") for item in parts.query.split("&") if item]
        # An "@" after the host means that a password with "/", "?" or "#" was cut off there: what
        # follows would be shown.
        beyond = parts.path + "".join(key for key, _, _ in items)
        readable = all(map(_is_host, hosts.split(",")))
        if (
            not readable
            or "@" in beyond
            or "#" in text
            or any(not equals for _, equals, _ in items)
        ):
            raise ConfigurationError(_UNREADABLE)
        user = userinfo.partition(":")[0]
        query = "&".join(f"{key}={value}" for key, _, value in items if not _is_secret(key))
        shown = f"postgresql://{user}{at}{hosts}{parts.path}" + (f"?{query}" if query else "")
        return cls(text, shown)

    def __str__(self) -> str:
        return self.shown


def _is_host(text: str) -> bool:
    """Whether this is HOST or HOST:PORT; anything else may be a piece of a password."""
    # An IPv6 address has its colons in brackets.
    port = text.rpartition("]")[2].partition(":")[2] if ":" in text.rpartition("]")[2] else ""
    return not port or port.isdecimal()


def _is_secret(parameter: str) -> bool:
    return any(part in parameter.lower() for part in _SECRET)

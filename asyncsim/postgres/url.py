"""The URL of a PostgreSQL database, which never shows its password.

The form is libpq's: PostgreSQL documentation, "Connection URIs". libpq quotes what it cannot read,
and takes the rest of a password for a host after an unescaped "@". So a URL that libpq could
misread is rejected before libpq gets it.
"""

from __future__ import annotations

import os
import re
from typing import Self
from urllib.parse import unquote

from attrs import field, frozen

from asyncsim.errors import ConfigurationError

# SQLAlchemy's URLs have a driver too, such as `postgresql+psycopg://`.
_SCHEME = re.compile(r"(postgres(?:ql)?)(?:\+\w+)?", re.IGNORECASE)
# A scheme has at least two letters: `c:/batch.db` is a file. A `Path` has only one slash left.
_DATABASE = re.compile(r"\s*[a-z][a-z0-9+.-]+:/|.*\bpassword\s*=", re.IGNORECASE | re.DOTALL)

_TEXT = r"(?:[^\s\x00-\x1f\x7f@/?#%:]|%(?!00)[0-9a-f]{2})"  # one character
_HOST = r"(?:\[[\w:.%]+\]|(?:[\w.~+-]|%[0-9a-f]{2})*)(?::\d{0,5})?"
_FORM = re.compile(
    rf"(?P<login>(?P<user>{_TEXT}*)(?::(?P<password>(?:{_TEXT}|:)*))?@)?"
    rf"(?P<hosts>{_HOST}(?:,{_HOST})*)(?P<path>/(?:{_TEXT}|:)*)?"
    rf"(?:\?(?P<query>(?:&?\w+=(?:{_TEXT}|[:/])*)*))?",
    re.IGNORECASE,
)

# Parameters of libpq 18 that are not secret. Any other may be a misspelt secret one.
_SHOWN = re.compile(
    r"(?:fallback_)?application_name|channel_binding|client_encoding|connect_timeout|dbname|gss\w+"
    r"|host|hostaddr|keepalives\w*|krbsrvname|load_balance_hosts|(?:ssl_)?m(?:ax|in)_protocol_version"
    r"|oauth_(?:client_id|issuer|scope)|options|passfile|port|replication|require_auth|requirepeer"
    r"|service|servicefile|ssl(?:cert|certmode|compression|crl|crldir|key|mode|negotiation|rootcert"
    r"|sni)?|target_session_attrs|tcp_user_timeout|user"
)

_UNREADABLE = (
    "the PostgreSQL URL cannot be read: write postgresql://USER@HOST:PORT/DATABASE; in a user name"
    " or password write @ : / ? # % as %40 %3A %2F %3F %23 %25, and a space as %20"
)
_OTHER_SCHEME = (
    "only PostgreSQL is supported, and its URL must begin with postgresql://:"
    " write postgresql://USER@HOST:PORT/DATABASE"
)
_HIDDEN_FROM = 4  # characters: a shorter password may occur in any text


def is_database(text: str) -> bool:
    """Tell the URL of a database from the path of a file.

    A malformed URL counts as a URL: it may contain a password, and messages quote paths.
    """
    _check_text(text, "the path or URL of a journal")
    return _DATABASE.match(text) is not None


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
    _secrets: tuple[str, ...] = field(repr=False, default=())

    @classmethod
    def parse(cls, text: str | PostgresUrl) -> Self | PostgresUrl:
        """Read a URL. Raises ConfigurationError, which never quotes the text: it may be secret."""
        if isinstance(text, PostgresUrl):
            return text
        _check_text(text, "the PostgreSQL URL")
        # A secret that is a file often ends with a line break.
        scheme, _, rest = text.strip().partition("://")
        if (known := _SCHEME.fullmatch(scheme)) is None:
            raise ConfigurationError(_OTHER_SCHEME)
        found = _FORM.fullmatch(rest)
        if found is None or not _is_decodable(rest):
            raise ConfigurationError(_UNREADABLE)
        if any(int(port) > 0xFFFF for port in re.findall(r":(\d+)(?=,|$)", found["hosts"])):
            raise ConfigurationError(_UNREADABLE)
        items = [item.split("=", 1) for item in (found["query"] or "").split("&") if item]
        query = "&".join(f"{key}={value}" for key, value in items if _SHOWN.fullmatch(key))
        hidden = [value for key, value in items if not _SHOWN.fullmatch(key)]
        login = "" if found["login"] is None else f"{found['user']}@"
        shown = f"postgresql://{login}{found['hosts']}{found['path'] or ''}"
        return cls(
            # libpq knows the scheme in lower case only.
            f"{known[1].lower()}://{rest}",
            shown + (f"?{query}" if query else ""),
            (found["password"] or "", *hidden),
        )

    def __str__(self) -> str:
        return self.shown

    @property
    def has_secret(self) -> bool:
        """Whether it holds a password, or a parameter that may be one."""
        return any(self._secrets)

    def hide(self, text: str) -> str:
        """Remove the password, wherever it comes from, from a text of a driver or server."""
        given = (*self._secrets, os.environ.get("PGPASSWORD", ""))
        for secret in sorted({*given, *map(unquote, given)}, key=len, reverse=True):
            # A password that is part of the shown URL, such as the user name, cannot be hidden.
            if len(secret) >= _HIDDEN_FROM and secret not in self.shown:
                text = text.replace(secret, "[hidden]")
        return text


def _check_text(given: object, what: str) -> None:
    """Reject what is not text, such as the None of an environment variable that is not set."""
    if not isinstance(given, str):
        raise TypeError(f"{what} must be text, not {type(given).__name__}")


def _is_decodable(text: str) -> bool:
    try:
        unquote(text, errors="strict")
    except UnicodeDecodeError:
        return False
    return True

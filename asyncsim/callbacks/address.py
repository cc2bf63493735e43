"""Public URLs: checked when given, made of host and port when not, shown without passwords."""

from __future__ import annotations

from urllib.parse import urlsplit

from asyncsim.errors import ConfigurationError, ReceiverError

_ANY_HOST = ("", "0.0.0.0", "::")  # noqa: S104  # recognised, not bound


def checked_url(given: str | None) -> str | None:
    """Return a public URL without its trailing slash; ConfigurationError if it cannot serve."""
    if given is None:
        return None
    # Its text is not repeated: it may hold a password for the proxy in front.
    if not _can_serve(given):
        raise ConfigurationError(
            "public_url must read https://host[:port][/prefix] (or http://), percent-encoded,"
            " without query and fragment"
        )
    return given.rstrip("/")


def _can_serve(url: str) -> bool:
    if not url.isascii() or any(character <= " " for character in url):
        return False
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is none, an IPv6 address that is none
        return False
    return valid and "?" not in url and "#" not in url


def own_url(host: str, port: int) -> str:
    """The URL of a listener on this machine; ReceiverError for a host that names no machine."""
    if host in _ANY_HOST:
        raise ReceiverError(f"nobody can call the host {host!r}: give the receiver a public_url")
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def shown(url: str | None) -> str:
    """The URL for reprs, without user and password."""
    if url is None:
        return "without public_url"
    scheme, separator, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    return f"{scheme}{separator}{authority.rpartition('@')[2]}{slash}{path}"

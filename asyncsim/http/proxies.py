"""Proxies: the one given, those of the environment, or none.

aiohttp reads the environment only together with netrc, which would replace our login, and takes a
proxy's password into URLs that its errors show. So both are done here.
"""

from __future__ import annotations

import base64
import ipaddress
import netrc
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from urllib.request import getproxies_environment, proxy_bypass

from aiohttp import ClientSession, hdrs
from attrs import frozen
from yarl import URL

from asyncsim.errors import ConfigurationError
from asyncsim.redaction import Redacted
from asyncsim.validation import usable_url


@frozen
class Proxy:
    """One proxy; its password is never shown."""

    url: URL
    """Without credentials."""
    headers: Mapping[str, str]
    """Proxy-Authorization, or none."""


class Proxies:
    """Chooses a proxy for each host; the environment is read once, when this is made."""

    def __init__(self, given: str | None = None, *, from_env: bool = False) -> None:
        self._given = None if given is None else parse_proxy(given, "proxy=...")
        self._of_env = getproxies_environment() if from_env and given is None else {}
        self._chosen: dict[tuple[str, str | None, int | None], Proxy | None] = {}

    def __bool__(self) -> bool:
        return self._given is not None or bool(self._of_env)

    def proxy_for(self, url: URL) -> Proxy | None:
        """Choose for one URL; `ConfigurationError` where the environment's is unusable."""
        if self._given is not None or not self._of_env:
            return self._given
        key = (url.scheme, url.host, url.port)
        if key in self._chosen:
            return self._chosen[key]
        chosen, host = None, url.host or ""
        # Where the environment names proxies, this honours its NO_PROXY, on each platform. Hosts on
        # this machine (the emulator, a test) are out of a proxy's reach.
        if not is_loopback(host) and not proxy_bypass(f"{host}:{url.port}"):
            for scheme in (url.scheme, "all"):
                if text := self._of_env.get(scheme):
                    chosen = parse_proxy(text, f"{scheme.upper()}_PROXY in the environment")
                    break
        self._chosen[key] = chosen
        return chosen


def is_loopback(host: str) -> bool:
    """Whether a host is this machine; names below `localhost` are (RFC 6761, 6.3)."""
    host = host.rstrip(".").lower()
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def parse_proxy(text: str, name: str) -> Proxy:
    """Parse a proxy's address; errors name its source, and never quote it."""
    text = Redacted(text)
    # As in curl, an address without a scheme is an HTTP proxy's.
    address = Redacted(text if "://" in text else f"http://{text}")
    url = None
    if usable_url(address):
        with suppress(ValueError):  # a host that IDNA cannot encode
            url = URL(address)
    if url is None:
        raise ConfigurationError(
            f"{name} must read http://[user:password@]host:port (or https://), without blanks;"
            " other kinds of proxies are not supported"
        )
    headers: Mapping[str, str] = {}
    if url.user is not None or url.password is not None:
        login = base64.b64encode(f"{url.user or ''}:{url.password or ''}".encode()).decode()
        headers = {hdrs.PROXY_AUTHORIZATION: Redacted(f"Basic {login}")}
    return Proxy(url.origin(), headers)


def check_session(session: ClientSession, urls: Iterable[URL]) -> None:
    """Reject a user's session that would log in with other credentials, or not at all."""
    if session.auth is not None:
        raise ConfigurationError(
            "the session given has auth=..., but each client logs in by itself: create the session"
            " without auth=..."
        )
    if not session.trust_env:
        return
    # With trust_env, aiohttp replaces Authorization by netrc's login for the host.
    try:
        name = "_netrc" if os.name == "nt" else ".netrc"
        logins = netrc.netrc(os.environ.get("NETRC") or Path.home() / name)
    except (OSError, netrc.NetrcParseError, RuntimeError):  # RuntimeError: no home directory
        return
    for url in urls:
        if url.host is not None and logins.authenticators(url.host) is not None:
            raise ConfigurationError(
                f"the session given has trust_env=True, and netrc a login for {url.host}, but each"
                " client logs in by itself: remove that entry from netrc, or create the session"
                " with trust_env=False and proxy=..."
            )

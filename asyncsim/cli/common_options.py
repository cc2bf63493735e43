"""Options of every command: the account, the way to it, and how much is logged."""

from __future__ import annotations

import contextlib
import logging
import os
import ssl
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlsplit

from cyclopts import Group, Parameter

from asyncsim.cli.exits import CommandError

_GROUP = Group("Options of every command", sort_key=20)
_Option = Annotated[str | None, Parameter(group=_GROUP, show_default=False)]
_LEVELS = (logging.WARNING, logging.INFO, logging.DEBUG)


@dataclass(frozen=True, kw_only=True)
class CommonOptions:
    """The options of every command, and the rest of the command line."""

    rest: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()
    proxy: str | None = None
    ca_bundle: str | None = None
    verbose: int = 0

    @property
    def profile(self) -> str | None:
        """The profile of a command that uses one account."""
        if len(self.profiles) > 1:
            raise CommandError("give --profile once: only receive and worker take several")
        return next(iter(self.profiles), None)

    def checked_proxy(self) -> str | None:
        """Return `--proxy`; one with a password is rejected, as a command line is no secret."""
        if self.proxy is not None and "@" in urlsplit(self.proxy).netloc:
            raise CommandError(
                "--proxy with a user or password would show them to every user of this machine:"
                " set HTTPS_PROXY instead"
            )
        return self.proxy

    @property
    def trusted(self) -> str:
        """Name the certificates that are trusted."""
        bundle = self.ca_bundle or os.environ.get("REQUESTS_CA_BUNDLE")
        return bundle or os.environ.get("SSL_CERT_FILE") or "those of the system"

    def tls(self) -> ssl.SSLContext | None:
        """Trust the certificates of `--ca-bundle`, or of the variable that requests reads."""
        # SSL_CERT_FILE and SSL_CERT_DIR are OpenSSL's own, and apply without us.
        variable = os.environ.get("REQUESTS_CA_BUNDLE")
        bundle, name = self.ca_bundle or variable, "REQUESTS_CA_BUNDLE"
        if not bundle:
            return None
        if self.ca_bundle:
            name = "--ca-bundle"
        try:
            if os.path.isdir(bundle):  # noqa: PTH112  # as OpenSSL takes it: of hashed names
                return ssl.create_default_context(capath=bundle)
            return ssl.create_default_context(cafile=bundle)
        except ssl.SSLError as error:
            reason = "it holds no certificates in PEM format"
            raise CommandError(f"{name} {bundle}: {reason}") from error
        except OSError as error:
            raise CommandError(f"{name} {bundle}: {error.strerror or error}") from error


_current: ContextVar[CommonOptions | None] = ContextVar("common_options", default=None)


def common_options() -> CommonOptions:
    """Return the common options of the running command."""
    return _current.get() or CommonOptions()


def parse_common(
    *tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
    profile: Annotated[
        list[str] | None,
        Parameter(
            group=_GROUP, help="Profile of asyncsim auth login.", show_default=False, negative=()
        ),
    ] = None,
    proxy: Annotated[_Option, Parameter(help="http://HOST:PORT of a proxy.")] = None,
    ca_bundle: Annotated[_Option, Parameter(help="File of CA certificates (PEM).")] = None,
    verbose: Annotated[
        int,
        Parameter(
            name=["--verbose", "-v"],
            group=_GROUP,
            count=True,
            negative=(),
            show_default=False,
            help="Log retries to stderr; -vv: everything.",
        ),
    ] = 0,
) -> CommonOptions:
    """Take the common options out of a command line, wherever they stand in it."""
    return CommonOptions(
        rest=tokens,
        profiles=tuple(profile or ()),
        proxy=proxy,
        ca_bundle=ca_bundle,
        verbose=verbose,
    )


@contextlib.contextmanager
def in_effect(options: CommonOptions) -> Iterator[None]:
    """Apply the common options while a command runs."""
    logger = logging.getLogger("asyncsim")
    level, token = logger.level, _current.set(options)
    if options.verbose:
        logger.setLevel(_LEVELS[min(options.verbose, len(_LEVELS) - 1)])
    try:
        yield
    finally:
        logger.setLevel(level)
        _current.reset(token)

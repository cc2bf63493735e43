"""`asyncsim listen`: print the callbacks that arrive, and forward them to a program."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from collections import Counter
from collections.abc import Coroutine, Iterator, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self

import aiohttp
from attrs import asdict, frozen
from cyclopts import Parameter
from multidict import CIMultiDict
from yarl import URL

from asyncsim.callbacks.inspector import CallbackInspector, Inspected
from asyncsim.callbacks.receiver import checked_url, local_url
from asyncsim.cli.accounts import log_in, named_profile
from asyncsim.cli.exits import CommandError, Exit
from asyncsim.cli.options import AT_LEAST_ONE, Vendor
from asyncsim.cli.output import data_stream, printable, say
from asyncsim.validation import usable_url

_ROOM = 1000  # callbacks that wait to be forwarded; more are rejected, and KORE sends them again
_CONNECTIONS = 512
_FORWARD_TIMEOUT = 10.0  # seconds
_FINISH = 5.0  # seconds for what has arrived when the command is stopped
_HOP_BY_HOP = frozenset(
    {
        *("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te"),
        *("trailer", "transfer-encoding", "upgrade", "host", "content-length", "expect"),
    }
)
"""Headers of one connection (RFC 9110, 7.6.1), and those that depend on the target."""
_OWN_HEADERS = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")


async def listen(
    *,
    host: Annotated[str, Parameter(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, Parameter(help="Port; 0 takes a free one.")] = 8080,
    public_url: Annotated[
        str | None, Parameter(help="URL at which vendors call.", show_default=False)
    ] = None,
    forward_to: Annotated[
        str | None, Parameter(help="URL of a program to forward to.", show_default=False)
    ] = None,
    count: Annotated[
        int | None,
        Parameter(help="Stop after N callbacks.", show_default=False, validator=AT_LEAST_ONE),
    ] = None,
    vendor: Vendor = None,
    output: Annotated[
        Literal["table", "ndjson"], Parameter(name=["--output", "-o"], help="Format on stdout.")
    ] = "table",
) -> Exit:
    """Print callbacks as they arrive, and forward them, until Ctrl-C.

    Example: asyncsim listen --public-url https://x.example --forward-to http://127.0.0.1:8000
    """
    from asyncsim.callbacks.web import Listener  # loads a web server

    url = checked_url(public_url)
    if forward_to is not None and usable_url(forward_to) is None:
        raise CommandError("--forward-to must read http://host:port[/prefix]")
    secrets = _secrets(vendor)
    arrived: asyncio.Queue[Inspected] = asyncio.Queue(_ROOM)
    inspector = CallbackInspector(
        public_url=url or "", secrets=secrets, take=lambda one: _put(arrived, one)
    )
    listener = await Listener.open(inspector, host, port, _CONNECTIONS)
    try:
        inspector.public_url = url or local_url(host, listener.port)
        say(f"listening on {host}:{listener.port}; press Ctrl-C to stop")
        async with Forwarder(forward_to) as forwarder:
            callbacks = CallbackPrinter(forwarder, output)
            stopped = await _until_stopped(callbacks.print_all(arrived, count))
            await listener.close()  # first, so that nothing new arrives
            if stopped:
                await callbacks.print_rest(arrived)
    finally:
        await listener.close()
    say(f"stopped: {callbacks.summary()}")
    return Exit.OK


def _put(arrived: asyncio.Queue[Inspected], one: Inspected) -> bool:
    if arrived.full():
        return False
    arrived.put_nowait(one)
    return True


async def _until_stopped(work: Coroutine[Any, Any, None]) -> bool:
    """Tell whether Ctrl-C, the normal end of this command, came before the work was done."""
    try:
        await work
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is not None:
            task.uncancel()
        return True
    return False


def _secrets(vendor: str | None) -> dict[str, Sequence[str]]:
    """Return the signing secrets of the account in use; without an account nothing is verified."""
    try:
        client = log_in(vendor)
    except CommandError as error:
        if error.code is not Exit.CREDENTIALS or vendor or named_profile():
            raise
        say(f"nothing can be verified: {error}")
        return {}
    return {client.vendor.name: client.context.signing_secrets}


@frozen(kw_only=True)
class Forwarded:
    """What the target responded, or why it did not."""

    status: int | None
    error: str | None
    milliseconds: int


class Forwarder:
    """Sends the raw body and headers of callbacks on to a local program."""

    def __init__(self, target: str | None) -> None:
        self._target = target.rstrip("/") if target else None
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        if self._target is not None:
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=_FORWARD_TIMEOUT),
                skip_auto_headers=_OWN_HEADERS,
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def forward(self, one: Inspected) -> Forwarded | None:
        """Forward one, once; None if there is no target, or if its signature is wrong."""
        if self._session is None or one.verdict == "rejected":
            return None
        headers = CIMultiDict(
            (name, value) for name, value in one.headers.items() if name.lower() not in _HOP_BY_HOP
        )
        began, status, reason = time.monotonic(), None, None
        try:
            async with self._session.request(
                one.method,
                URL(f"{self._target}{one.raw_target}", encoded=True),
                data=one.body,
                headers=headers,
                allow_redirects=False,
            ) as response:
                status = response.status
        except TimeoutError:
            reason = f"no response within {_FORWARD_TIMEOUT:g} s"
        except aiohttp.ClientConnectorError as error:
            reason = f"cannot connect: {error.os_error.strerror or 'unknown'}"
        except (aiohttp.ClientError, ValueError) as error:
            reason = type(error).__name__  # its text may quote the URL, with a ticket
        milliseconds = round((time.monotonic() - began) * 1000)
        return Forwarded(status=status, error=reason, milliseconds=milliseconds)


class CallbackPrinter:
    """Prints callbacks one by one, each after it was forwarded."""

    def __init__(self, forwarder: Forwarder, output: str) -> None:
        self._forwarder = forwarder
        self._json = output == "ndjson"
        self._counts: Counter[str] = Counter()

    async def print_all(self, arrived: asyncio.Queue[Inspected], count: int | None) -> None:
        """Print until `count` are printed; None: until cancelled."""
        while count is None or self._counts.total() < count:
            await self._print(await arrived.get())

    async def print_rest(self, arrived: asyncio.Queue[Inspected]) -> None:
        """Print what has arrived already, for a few seconds at most."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_FINISH):
                while not arrived.empty():
                    await self._print(arrived.get_nowait())

    def summary(self) -> str:
        """How many arrived, by verdict."""
        names = ("verified", "unverified", "rejected")
        return ", ".join(f"{self._counts[name]:,} {name}" for name in names)

    async def _print(self, one: Inspected) -> None:
        at = datetime.now(UTC)
        forwarded = await self._forwarder.forward(one)
        self._counts[one.verdict] += 1
        if self._json:
            data_stream().write(json.dumps(_record(one, at, forwarded), ensure_ascii=False) + "\n")
        else:
            sys.stdout.write("\n".join(map(printable, _lines(one, at, forwarded))) + "\n")
        sys.stdout.flush()


def _record(one: Inspected, at: datetime, forwarded: Forwarded | None) -> dict[str, Any]:
    return {
        "at": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "method": one.method,
        "path": one.path,
        "vendor": one.vendor,
        "signature": one.verdict,
        "reason": one.reason or None,
        "responded": one.status,
        "params": one.params,
        "forwarded": None if forwarded is None else asdict(forwarded),
    }


def _lines(one: Inspected, at: datetime, forwarded: Forwarded | None) -> Iterator[str]:
    about = one.params.get("CommandSid") or one.params.get("SimSid") or "-"
    status = one.params.get("SimStatus") or one.params.get("Status") or "-"
    verdict = f"{one.verdict:10} {one.vendor or '-':6}"
    yield f"{at:%H:%M:%S} {one.status} {verdict} {about:34} {status}"
    yield f"         {one.method} {one.path}"
    if one.reason:
        yield f"         {one.reason}"
    if forwarded is not None:
        what = forwarded.error or f"HTTP {forwarded.status}"
        yield f"         forwarded: {what} ({forwarded.milliseconds} ms)"

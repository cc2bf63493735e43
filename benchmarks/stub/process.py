"""The stub's process, its certificate, and its capacity."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast
from urllib.request import urlopen

from attrs import asdict, frozen

from benchmarks.stub.responses import sid
from benchmarks.stub.vendor import Terms


@frozen
class Certificate:
    """Certificate of a local server, and the authority for its clients to trust."""

    chain: Path
    authority: Path


@contextmanager
def certificate() -> Iterator[Certificate]:
    """Create a certificate for 127.0.0.1, signed by its own authority."""
    import trustme

    authority = trustme.CA()
    with TemporaryDirectory() as folder:
        made = Certificate(Path(folder) / "server.pem", Path(folder) / "authority.pem")
        own = authority.issue_cert("127.0.0.1")
        own.private_key_and_cert_chain_pem.write_to_path(str(made.chain))
        authority.cert_pem.write_to_path(str(made.authority))
        yield made


@contextmanager
def serving(terms: Terms | None = None, chain: Path | None = None) -> Iterator[int]:
    """Run the stub with canned responses or a vendor's terms; yields its port.

    `chain`: serve over TLS with this certificate.
    """
    options = [] if terms is None else [json.dumps(asdict(terms))]
    with running("benchmarks.stub", str(chain or ""), *options) as port:
        yield port


@contextmanager
def running(module: str, *options: str) -> Iterator[int]:
    """Run a server in its own process; yields the port that it prints."""
    command = [sys.executable, "-m", module, *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.terminate()


def counts(port: int) -> dict[str, int]:
    """Requests to a vendor so far: `GET`, `POST`, and those `throttled`."""
    with urlopen(f"http://127.0.0.1:{port}/counts", timeout=10) as response:
        found: dict[str, int] = json.load(response)
        return found


class _Raw(asyncio.Protocol):
    """Sends the next request after each response, without parsing."""

    def __init__(self, requests: int, done: asyncio.Future[None]) -> None:
        self._left = requests
        self._done = done
        self._got = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(
            "asyncio.Transport", transport
        )  # uvloop's transport is not a subclass
        self._request = f"GET /v1/Sims/{sid(1)} HTTP/1.1\r\nHost: stub\r\n\r\n".encode()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._got += data
        if not self._got.endswith(b"}}"):  # end of the links, the last field of a Sim
            return
        self._got = b""
        self._left -= 1
        if self._left:
            self._transport.write(self._request)
        elif not self._done.done():
            self._transport.close()
            self._done.set_result(None)


async def ceiling(port: int, *, connections: int = 32, each: int = 300) -> float:
    """The most requests a second that the stub serves."""
    loop = asyncio.get_running_loop()
    ends: list[asyncio.Future[None]] = [loop.create_future() for _ in range(connections)]
    started = time.perf_counter()
    for end in ends:
        await loop.create_connection(partial(_Raw, each, end), "127.0.0.1", port)
    async with asyncio.timeout(60):
        await asyncio.gather(*ends)
    return connections * each / (time.perf_counter() - started)

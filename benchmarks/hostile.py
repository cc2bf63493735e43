"""`python -m benchmarks.hostile [SECONDS]`: the delay of true callbacks during an attack.

A second process keeps 900 connections to the receiver busy, on loopback: some are silent, others
send their headers byte by byte, announce bodies that never come, send garbage, or one request after
the other, and each reconnects as soon as it is closed. Meanwhile true callbacks come, each on a
separate connection, as from a vendor without a pool. Not one of the cases, because the result
depends on what else the machine does.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import multiprocessing
import sys
import time
from itertools import cycle
from statistics import quantiles
from urllib.parse import urlencode, urlsplit

from asyncsim.callbacks import CallbackReceiver
from asyncsim.core.signatures import twilio_signature
from asyncsim.vendors import TWILIO

_HOSTILE = 900
_EVERY = 0.02  # seconds between true callbacks
_TOKEN = "0" * 32
_POST = b"POST /twilio/supersim/HS1/x/y HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"


async def _attack(port: int, kind: str) -> None:
    while True:
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                if kind == "body":
                    writer.write(_POST)
                elif kind == "garbage":
                    writer.write(b"\x16\x03\x01\x00\xee\x01\x00\r\n\r\n")
                elif kind == "chatty":
                    while True:
                        writer.write(b"GET /twilio HTTP/1.1\r\nHost: x\r\n\r\n")
                        if not await reader.readline():
                            break
                elif kind == "slow":
                    for one in _POST:
                        writer.write(bytes([one]))
                        await writer.drain()
                        await asyncio.sleep(0.5)
                await reader.read()
            finally:
                writer.close()
        await asyncio.sleep(0)


async def _attack_all(port: int) -> None:
    kinds = cycle(["silent", "silent", "slow", "body", "garbage", "chatty"])
    await asyncio.gather(*(_attack(port, next(kinds)) for _ in range(_HOSTILE)))


def attack(port: int) -> None:
    """Attack until killed."""
    asyncio.run(_attack_all(port))


async def _call(url: str, due: float) -> float:
    """Send one callback; return the seconds from its due time until it was accepted."""
    params = {"SimSid": "HS" + "0" * 32, "SimStatus": "active"}
    signature = twilio_signature(_TOKEN, url, {name: [text] for name, text in params.items()})
    body = urlencode(params)
    parts = urlsplit(url)
    while True:
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
            try:
                writer.write(
                    f"POST {parts.path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
                    "Content-Type: application/x-www-form-urlencoded\r\n"
                    f"X-Twilio-Signature: {signature}\r\n\r\n{body}".encode()
                )
                if b" 204 " in await reader.readline():
                    return time.monotonic() - due
            finally:
                writer.close()


async def _measure(seconds: float) -> list[float]:
    async with CallbackReceiver() as receiver:
        registration = receiver.register(
            TWILIO, account="AC1", signing_secrets=[_TOKEN], ticket_secrets=[b"ticket"]
        )
        other = multiprocessing.get_context("spawn").Process(target=attack, args=(receiver.port,))
        other.start()
        try:
            await asyncio.sleep(3.0)  # until all attackers are connected
            calls = []
            began = time.monotonic()
            for number in range(int(seconds / _EVERY)):
                due = began + number * _EVERY
                await asyncio.sleep(due - time.monotonic())
                url, _ = registration.issue_url("supersim", "HS" + "0" * 32)
                calls.append(asyncio.create_task(_call(url, due)))
            late = await asyncio.gather(*calls)
        finally:
            other.terminate()
            other.join()
        print(receiver)
        return late


def main() -> None:
    """Print the delays."""
    logging.getLogger("asyncsim").setLevel(logging.ERROR)
    late = asyncio.run(_measure(float(sys.argv[1]) if len(sys.argv) > 1 else 20.0))
    cuts = quantiles(late, n=1000)
    print(
        f"{len(late)} true callbacks next to {_HOSTILE} hostile connections: accepted after"
        f" {cuts[499]:.3f} s (median), {cuts[989]:.3f} s (p99), {max(late):.3f} s at most"
    )


if __name__ == "__main__":
    main()

"""Content of requests and responses: bodies to send, and bodies read and decoded up to a bound.

aiohttp's own decoding has no bound: 1 MB of gzip may become 1 GB before its size can be checked.
"""

from __future__ import annotations

import zlib
from contextvars import ContextVar
from typing import Protocol, TypeAlias

from aiohttp import BytesPayload, ClientResponse, Payload
from aiohttp.abc import AbstractStreamWriter

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"

# Only encodings decoded here are requested; aiohttp may decode others, without limit.
ACCEPT_ENCODING = "gzip, deflate"
# Nothing encoded begins like JSON, so plain content is recognised without looking for the header,
# which would cost 2 % of a request.
JSON_BEGINS = b"{["


Body: TypeAlias = Payload
"""A request body: bytes and their type, which any number of requests may share."""


class Permission(Protocol):
    """A permission to send."""

    @property
    def ended(self) -> bool:
        """Whether it has ended."""
        ...


class SendProgress:
    """Whether the body of one request is being sent: until then the server has received nothing."""

    begun = False
    permission: Permission | None = None
    """Once it has ended, the body is not sent."""


send_progress: ContextVar[SendProgress] = ContextVar("asyncsim_send_progress")
"""The upload of the running task's request: a shared body cannot tell its requests apart."""


class _Body(BytesPayload):
    """Marks in the running task that sending has begun; many requests may share one body."""

    async def write_with_length(
        self, writer: AbstractStreamWriter, content_length: int | None
    ) -> None:
        progress = send_progress.get()
        # Connecting takes seconds, and a process may be frozen meanwhile: this is the last moment.
        if progress.permission is not None and progress.permission.ended:
            raise PermissionError("the permission to send it has ended")
        progress.begun = True
        await super().write_with_length(writer, content_length)


def make_body(text: str, content_type: str = FORM) -> Body:
    """Create a body; an aiohttp payload includes its Content-Type: cheaper than a header."""
    return _Body(text.encode(), content_type=content_type)


async def read_up_to(response: ClientResponse, size: int) -> bytes:
    """Read at most so many bytes; a connection with more data to come is closed."""
    content = bytearray()
    try:
        async for part in response.content.iter_any():
            content += part
            if len(content) >= size:
                # Reading the rest, only to reuse the connection, may never end.
                response.close()
                break
    except BaseException:
        response.close()
        raise
    return bytes(content[:size])


def decode(content: bytes, encoding: str, size: int) -> bytes:
    """Undo a Content-Encoding, up to so many bytes; `ValueError`, `zlib.error` if that fails."""
    encoding = encoding.strip().lower()
    if encoding in ("", "identity") or not content or content[:1] in JSON_BEGINS:
        return content
    if encoding in ("gzip", "x-gzip"):
        window = 16 + zlib.MAX_WBITS
    elif encoding == "deflate":
        # RFC 9110, 8.4.1.2 wants zlib's header, whose first byte ends in 8; some leave it out.
        window = zlib.MAX_WBITS if content[0] & 0x0F == 8 else -zlib.MAX_WBITS
    else:
        raise ValueError(f"it is encoded as {encoding[:20]!r}, which was not requested")
    decoder = zlib.decompressobj(window)
    decoded = decoder.decompress(content, size)
    if len(decoded) < size and not decoder.eof:
        raise ValueError(f"its {encoding} breaks off")
    return decoded

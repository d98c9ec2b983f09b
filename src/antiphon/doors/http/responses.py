"""Responses: complete ones, and streams that are sent while they are produced."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import Any

import msgspec
import structlog

from antiphon.doors.errors import error_object
from antiphon.doors.http.disconnects import disconnected
from antiphon.errors import AntiphonError

_log = structlog.get_logger(__name__)
_encode = msgspec.json.Encoder().encode

EVENT_STREAM = "text/event-stream"


class Whole:
    """A complete ASGI response."""

    def __init__(
        self, body: bytes, media_type: str, *, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> None:
        self._body = body
        self._status = status
        self._headers = _encoded({"content-type": media_type, "content-length": str(len(body)), **(headers or {})})

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Send it."""
        await send({"type": "http.response.start", "status": self._status, "headers": self._headers})
        await send({"type": "http.response.body", "body": self._body})


class Streaming:
    """An ASGI response of status 200 whose chunks are sent as they are produced.

    When the client disconnects the chunks are closed at once. An error after the start cannot change the status:
    ``last_chunk`` may encode it as the last chunk; otherwise the connection is cut, so that the client notices that
    the response is incomplete.
    """

    def __init__(
        self,
        chunks: AsyncGenerator[bytes],
        media_type: str,
        *,
        headers: Mapping[str, str] | None = None,
        last_chunk: Callable[[AntiphonError], bytes] | None = None,
    ) -> None:
        self._chunks = chunks
        self._last_chunk = last_chunk
        self._headers = _encoded({"content-type": media_type, **(headers or {})})

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Send all chunks, or stop when the client disconnects."""
        async with aclosing(self._chunks):
            sending = asyncio.create_task(self._send_all(scope["path"], send), name="rest answer")
            gone = asyncio.create_task(disconnected(receive), name="rest disconnect")
            try:
                await asyncio.wait((sending, gone), return_when=asyncio.FIRST_COMPLETED)
            finally:
                gone.cancel()
                if not sending.done():
                    sending.cancel()
                await asyncio.wait((sending, gone))
            if not sending.cancelled():
                sending.result()

    async def _send_all(self, path: str, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self._headers})
        try:
            async for chunk in self._chunks:
                if chunk:
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
        except AntiphonError as error:
            _log.warning("response failed after its start", path=path, error=error.type, code=error.code)
            if self._last_chunk is None:
                return
            await send({"type": "http.response.body", "body": self._last_chunk(error), "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def _encoded(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode()) for name, value in headers.items()]


def event(data: Any) -> bytes:
    """Return one server-sent event with ``data`` as JSON."""
    return b"data: " + _encode(data) + b"\n\n"


def error_event(error: AntiphonError) -> bytes:
    """Return the event that ends a stream which failed."""
    return event(error_object(error))

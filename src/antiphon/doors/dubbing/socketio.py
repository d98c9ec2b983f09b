"""The Socket.IO server of the dubbing door: the library's options, and callbacks for its transports."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import socketio

from antiphon.clock import Clock
from antiphon.doors.dubbing import json as dubbing_json
from antiphon.doors.dubbing.library_log import library_log

PATH = "/socket.io"
MAX_MESSAGE_BYTES = 50 * 2**20
"""Longest WebSocket message of a connected client."""


class WatchedServer(socketio.AsyncServer):
    """The library's server, with callbacks for transports that open and close."""

    _on_opened: Callable[[str, Any], None]
    _on_closed: Callable[[str], None]

    def watch(self, opened: Callable[[str, Any], None], closed: Callable[[str], None]) -> None:
        """Call ``opened`` with the id and the ASGI scope of each transport, and ``closed`` with its id."""
        self._on_opened, self._on_closed = opened, closed

    async def _handle_eio_connect(self, eio_sid: str, environ: Any) -> None:
        await super()._handle_eio_connect(eio_sid, environ)
        self._on_opened(eio_sid, environ["asgi.scope"])

    async def _handle_eio_disconnect(self, eio_sid: str, reason: Any) -> None:
        await super()._handle_eio_disconnect(eio_sid, reason)
        self._on_closed(eio_sid)


def socketio_server(clock: Clock, *, ping_interval_s: float, ping_timeout_s: float) -> WatchedServer:
    """Return a server without handlers."""
    log = library_log(clock)
    return WatchedServer(
        async_mode="asgi",
        async_handlers=False,  # one event of a connection at a time, in order
        cors_allowed_origins=[],  # foreign origins are refused by `Access`, as at every door
        json=dubbing_json,
        serializer=dubbing_json.TextPacket,
        logger=log,  # pyright: ignore[reportArgumentType] -- takes loggers, and is annotated by its default
        engineio_logger=log,
        ping_interval=ping_interval_s,
        ping_timeout=ping_timeout_s,
        max_http_buffer_size=MAX_MESSAGE_BYTES,
        http_compression=False,  # blocks the event loop for 100 ms per megabyte of base64
    )

"""A server of the dubbing protocol on a real socket that behaves as badly as its script says.

Without a script it is an echo: it takes one stream a connection and gives every fragment back as it came.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import socketio
from aiohttp import web
from socketio.exceptions import ConnectionRefusedError as Refused

Events = list[tuple[str, Any]]
"""Names and payloads to send. The name ``drop`` ends the connection instead."""


@dataclass
class DubbingServer:
    """What the server was told, and what it is to do."""

    url: str = ""
    refusal: tuple[str, Any] | None = None
    """Message and data for whoever connects."""
    on_init: Callable[[int], Events] | None = None
    """What ``stream:init`` is answered with; gets which one it is, from 1."""
    on_fragment: Callable[[int, dict[str, Any]], Events] | None = None
    """What ``fragment:data`` is answered with; gets which one it is on all connections, from 1."""
    inits: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    fragments: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    def ready(self) -> Events:
        """The usual answer to the last ``stream:init``."""
        return [
            (
                "stream:ready",
                {
                    "stream_id": self.inits[-1]["stream_id"],
                    "session_id": "session",
                    "max_inflight": 3,
                    "capabilities": ["asr"],
                },
            )
        ]

    def error(self, code: str, fragment: dict[str, Any] | None = None, **fields: Any) -> Events:
        """An ``error``, about a fragment or the whole stream."""
        about = {"fragment_id": fragment["fragment_id"]} if fragment else {}
        told = {"code": code, "message": f"{code}.", "retryable": False, "severity": "error", "error_id": "e"}
        return [("error", {**told, **about, **fields})]


def echoed(fragment: dict[str, Any], **fields: Any) -> Events:
    """The result of a fragment that was dubbed as it came."""
    result = {
        "fragment_id": fragment["fragment_id"],
        "stream_id": fragment["stream_id"],
        "sequence_number": fragment["sequence_number"],
        "status": "success",
        "processing_time_ms": 5,
        "dubbed_audio": fragment["audio"],
        "transcript": "said",
        "translated_text": "dicho",
    }
    return [("fragment:processed", {**result, **fields})]


@asynccontextmanager
async def dubbing_server() -> AsyncIterator[DubbingServer]:
    """Run one on a free port."""
    told = DubbingServer()
    server: Any = socketio.AsyncServer(async_mode="aiohttp", async_handlers=False, max_http_buffer_size=50 * 2**20)

    async def send(sid: str, events: Events) -> None:
        for name, payload in events:
            if name == "drop":
                await server.disconnect(sid)
            else:
                await server.emit(name, payload, to=sid)

    async def connect(sid: str, environ: dict[str, Any], auth: Any = None) -> None:
        del sid, environ, auth
        if told.refusal is not None:
            raise Refused(*told.refusal)

    async def init(sid: str, payload: dict[str, Any]) -> None:
        told.inits.append(payload)
        await send(sid, told.on_init(len(told.inits)) if told.on_init else told.ready())

    async def fragment(sid: str, payload: dict[str, Any]) -> None:
        told.fragments.append(payload)
        await send(sid, told.on_fragment(len(told.fragments), payload) if told.on_fragment else echoed(payload))

    async def end(sid: str, payload: dict[str, Any]) -> None:
        del payload
        await send(sid, [("drop", None)])

    server.on("connect", connect)
    server.on("stream:init", init)
    server.on("fragment:data", fragment)
    server.on("stream:end", end)
    app = web.Application()
    server.attach(app)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    told.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield told
    finally:
        await server.shutdown()
        await runner.cleanup()

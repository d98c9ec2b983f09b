"""Requests and WebSockets of an ASGI app without a network: thousands of them in a few seconds."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from antiphon.doors.server.asgi import Receive, Send

_WITHIN_S = 10.0


def _scope(kind: str, path: str, key: str, headers: dict[str, str]) -> dict[str, Any]:
    bare, _, query = path.partition("?")
    upgrade = {"connection": "Upgrade", "upgrade": "websocket"} if kind == "websocket" else {}
    sent = {"host": "127.0.0.1", "authorization": f"Bearer {key}", **upgrade, **headers}
    return {
        "type": kind,
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "scheme": "ws" if kind == "websocket" else "http",
        "path": bare,
        "raw_path": bare.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": [(name.lower().encode(), value.encode()) for name, value in sent.items()],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
        "subprotocols": [],
        "extensions": {"websocket.http.response": {}},
        "state": {},
    }


async def post(app: Any, path: str, key: str, body: dict[str, Any]) -> tuple[int, bytes]:
    """Send JSON, and return status and body of the answer."""
    return await request(app, "POST", path, key, json.dumps(body).encode(), **{"content-type": "application/json"})


async def request(app: Any, method: str, path: str, key: str, body: bytes = b"", **headers: str) -> tuple[int, bytes]:
    """Return status and body of an answer."""
    scope = _scope("http", path, key, {"content-length": str(len(body)), **headers}) | {"method": method}
    asked = [{"type": "http.request", "body": body, "more_body": False}]
    told: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        if asked:
            return asked.pop()
        return await asyncio.Future()  # it stays until it is answered

    async def send(message: dict[str, Any]) -> None:
        told.append(message)

    await app(scope, receive, send)
    return told[0]["status"], b"".join(message.get("body", b"") for message in told[1:])


class Peer:
    """One WebSocket."""

    def __init__(self, app: Any, path: str, key: str, **headers: str) -> None:
        self._to_app: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._from_app: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.frames: list[str] = []
        """All that has come."""
        self.closed = 0
        """The server's close code; 0 while it is open."""
        receive: Receive = self._to_app.get
        send: Send = self._note
        self._running = asyncio.create_task(app(_scope("websocket", path, key, headers), receive, send))

    async def _note(self, message: dict[str, Any]) -> None:
        if message["type"] == "websocket.send":
            self.frames.append(message["text"])
        elif message["type"] == "websocket.close":
            self.closed = message.get("code", 1000)
        self._from_app.put_nowait(message)

    async def _next(self) -> dict[str, Any]:
        async with asyncio.timeout(_WITHIN_S):
            return await self._from_app.get()

    async def open(self) -> tuple[int, Any]:
        """Shake hands; returns 101, or the status and the error of a refusal."""
        self._to_app.put_nowait({"type": "websocket.connect"})
        first = await self._next()
        if first["type"] == "websocket.accept":
            return 101, None
        body = (await self._next())["body"]
        await self._running
        return first["status"], json.loads(body)["error"]

    def send(self, frame: str) -> None:
        """Send a frame."""
        self._to_app.put_nowait({"type": "websocket.receive", "text": frame})

    async def frame(self) -> str:
        """Return the next frame."""
        message = await self._next()
        assert message["type"] == "websocket.send", message
        return message["text"]

    async def frame_or_close(self) -> str | None:
        """Return the next frame, or None when the server has closed."""
        message = await self._next()
        return message["text"] if message["type"] == "websocket.send" else None

    async def until(self, *kinds: str) -> dict[str, Any]:
        """Return the next event of one of these types."""
        while (event := json.loads(await self.frame()))["type"] not in kinds:
            pass
        return event

    async def leave(self, code: int = 1000) -> None:
        """Close, or be lost with 1006; returns when the server is done with it."""
        self._to_app.put_nowait({"type": "websocket.disconnect", "code": code})
        async with asyncio.timeout(_WITHIN_S):
            await self._running

"""One HTTP request to an ASGI app, without a server."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from antiphon.doors.access.authentication import Identity


def scope_of(method: str = "GET", path: str = "/", *, headers: Sequence[tuple[str, str]] = (), query: str = "") -> Any:
    """Return the scope of a request that the guard has let in."""
    return {
        "type": "http",
        "method": method,
        "path": path,
        "root_path": "",
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in headers],
        "state": {"identity": Identity("default", "key_1"), "request_id": "req_1"},
    }


def receiver(*chunks: bytes, gone: bool = False) -> Any:
    """Return what gives the body in ``chunks``; with ``gone`` the client hangs up instead of the end."""
    messages = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    messages.append({"type": "http.disconnect"} if gone else {"type": "http.request", "body": b"", "more_body": False})

    async def receive() -> Any:
        return messages.pop(0)

    return receive


@dataclass
class Answered:
    """What an app has sent."""

    messages: list[Any] = field(default_factory=list)

    async def send(self, message: Any) -> None:
        self.messages.append(message)

    @property
    def status(self) -> int:
        return self.messages[0]["status"]

    @property
    def headers(self) -> dict[str, str]:
        return {name.decode(): value.decode() for name, value in self.messages[0]["headers"]}

    @property
    def body(self) -> bytes:
        return b"".join(message["body"] for message in self.messages[1:])

    @property
    def error(self) -> Any:
        return json.loads(self.body)["error"]


async def ask(app: Any, method: str = "GET", path: str = "/", *chunks: bytes, **scope: Any) -> Answered:
    """Return what ``app`` answers."""
    answered = Answered()
    await app(scope_of(method, path, **scope), receiver(*chunks), answered.send)
    return answered

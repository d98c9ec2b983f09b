"""One port, several doors: every request goes to the door of its path."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from antiphon.doors.errors import RouteNotFound
from antiphon.doors.websocket.connection import refuse
from antiphon.text.quoting import shown

AsgiApp = Callable[[Any, Any, Any], Awaitable[None]]


class Doors:
    """WebSockets by their exact path, other requests to the door that has it, everything else to REST."""

    def __init__(self, rest: AsgiApp, sockets: Mapping[str, AsgiApp], requests: Mapping[str, AsgiApp]) -> None:
        self._rest = rest
        self._sockets = sockets
        self._requests = requests

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass a connection on, or say that there is nothing here."""
        path = scope["path"].rstrip("/")
        if scope["type"] != "websocket":
            await self._requests.get(path, self._rest)(scope, receive, send)
            return
        door = self._sockets.get(path)
        if door is None:
            await refuse(send, RouteNotFound(f"There is no WebSocket at {shown(scope['path'])}."))
            return
        await door(scope, receive, send)

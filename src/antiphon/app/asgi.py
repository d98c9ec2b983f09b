"""Routes every request on the port to the endpoint of its path."""

from __future__ import annotations

import re
from collections.abc import Mapping

from antiphon.doors.errors import RouteNotFound
from antiphon.doors.server.asgi import AsgiApp, Receive, Scope, Send
from antiphon.doors.websocket.connection import refuse
from antiphon.text.quoting import shown

_NAMED = re.compile(r"\{(\w+)\}")


class Doors:
    """WebSockets by the pattern of their path, other requests by their exact path, everything else to REST."""

    def __init__(self, rest: AsgiApp, sockets: Mapping[str, AsgiApp], requests: Mapping[str, AsgiApp]) -> None:
        """In the paths of ``sockets`` ``{name}`` matches one segment, passed on in ``path_params``."""
        self._rest = rest
        self._sockets = [(_pattern(path), door) for path, door in sockets.items()]
        self._requests = requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a connection to its endpoint, or refuse it with 404."""
        path = scope["path"].rstrip("/")
        if scope["type"] != "websocket":
            await self._requests.get(path, self._rest)(scope, receive, send)
            return
        for pattern, door in self._sockets:
            if (found := pattern.fullmatch(path)) is not None:
                await door({**scope, "path_params": found.groupdict()}, receive, send)
                return
        await refuse(send, RouteNotFound(f"There is no WebSocket at {shown(scope['path'])}."))


def _pattern(path: str) -> re.Pattern[str]:
    pieces = _NAMED.split(path)  # literal texts alternate with names
    return re.compile("".join(f"(?P<{one}>[^/]+)" if at % 2 else re.escape(one) for at, one in enumerate(pieces)))

"""CORS: pages of allowed origins may read every response, errors included."""

from __future__ import annotations

import re
from collections.abc import Iterable

from antiphon.doors.access.authentication import Access
from antiphon.doors.errors import PLAIN_HEADERS
from antiphon.doors.server.asgi import AsgiApp, Message, Receive, Scope, Send

Headers = tuple[tuple[bytes, bytes], ...]

_VARIES: Headers = ((b"vary", b"origin"),)
_EXPOSED = b"x-request-id, retry-after"
"""Response headers that a page may read in addition to the standard ones."""
_MAX_AGE_S = b"600"
"""How long a browser caches the answer to a preflight."""
_NAME = re.compile(rb"[0-9A-Za-z!#$%&'*+.^_`|~-]+")
_STARTS = frozenset({"http.response.start", "websocket.http.response.start"})


class Cors:
    """Wraps all doors: adds the CORS headers for allowed origins to every response, and answers preflights.

    Without these headers a browser does not show the response to the page.
    """

    def __init__(self, app: AsgiApp, access: Access, methods: Iterable[str]) -> None:
        """``methods`` are the methods of all routes."""
        self._app = app
        self._access = access
        self._methods = ", ".join(sorted({*methods, "OPTIONS"})).encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a preflight, or pass the request on."""
        origins = _values(scope, b"origin")
        is_allowed = len(origins) == 1 and self._access.allows(origins[0].decode("latin-1"))
        if scope["type"] == "http" and scope["method"] == "OPTIONS" and _asks(scope):
            await self._preflight(scope, send, origins[0] if is_allowed else b"")
            return
        added = _VARIES if self._access.names_origins else ()
        if is_allowed:
            told = ((b"access-control-allow-origin", origins[0]), (b"access-control-expose-headers", _EXPOSED))
            added = (*told, *added)
        await self._app(scope, receive, _adding(send, added) if added else send)

    async def _preflight(self, scope: Scope, send: Send, origin: bytes) -> None:
        """Answer a preflight request; it has no effect, so it needs no key."""
        headers = [*_VARIES, *PLAIN_HEADERS]
        if origin:
            asked = b",".join(_values(scope, b"access-control-request-headers")).split(b",")
            names = [name for name in map(bytes.strip, asked) if _NAME.fullmatch(name)]
            headers += [
                (b"access-control-allow-origin", origin),
                (b"access-control-allow-methods", self._methods),
                (b"access-control-allow-headers", b", ".join(names)),
                (b"access-control-max-age", _MAX_AGE_S),
            ]
        await send({"type": "http.response.start", "status": 204, "headers": headers})
        await send({"type": "http.response.body", "body": b""})


def _asks(scope: Scope) -> bool:
    return bool(_values(scope, b"origin") and _values(scope, b"access-control-request-method"))


def _values(scope: Scope, name: bytes) -> list[bytes]:
    return [value for key, value in scope["headers"] if key == name]


def _adding(send: Send, added: Headers) -> Send:
    """Return a ``send`` that adds headers to the start of a response."""

    async def send_added(message: Message) -> None:
        if message["type"] in _STARTS:
            message = {**message, "headers": [*message.get("headers", ()), *added]}
        await send(message)

    return send_added

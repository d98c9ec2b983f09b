"""Types of ASGI applications and their arguments."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
"""A connection: its type, path, headers and the data of middleware."""
Message = MutableMapping[str, Any]
"""One event of a request or a WebSocket; ``type`` names it."""
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]

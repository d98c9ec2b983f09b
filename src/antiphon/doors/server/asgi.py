"""ASGI as types: what an application is called with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
"""A connection: its kind, path, headers and what middleware says of it."""
Message = MutableMapping[str, Any]
"""One step of a request or a WebSocket; ``type`` says which."""
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]

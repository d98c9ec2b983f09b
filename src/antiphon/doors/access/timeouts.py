"""Timeouts of requests whose client does not send or read."""

from __future__ import annotations

import asyncio

import structlog

from antiphon.doors.errors import RequestTimedOut
from antiphon.doors.server.asgi import AsgiApp, Message, Receive, Scope, Send
from antiphon.doors.server.exchange import exchange_of

_log = structlog.get_logger(__name__)


class _StalledError(Exception):
    """The client does not read its response."""


class TimeoutMiddleware:
    """Ends a request whose client stops sending its body or reading its response.

    ``body_s`` and ``answer_s`` bound the wait for one piece, ``upload_s`` for the whole body.
    """

    def __init__(self, app: AsgiApp, *, body_s: float = 30.0, answer_s: float = 30.0, upload_s: float = 600.0) -> None:
        self._app = app
        self._body_s = body_s
        self._answer_s = answer_s
        self._upload_s = upload_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, with a timeout on every step."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        loop = asyncio.get_running_loop()
        upload_ends = loop.time() + self._upload_s
        body_complete = False

        async def receive_in_time() -> Message:
            nonlocal body_complete
            if body_complete:
                return await receive()  # the wait for a disconnect has no limit
            try:
                async with asyncio.timeout_at(min(loop.time() + self._body_s, upload_ends)):
                    message = await receive()
            except TimeoutError as exc:
                raise RequestTimedOut("The request body did not arrive in time.") from exc
            body_complete = not message.get("more_body", False)
            return message

        async def send_in_time(message: Message) -> None:
            try:
                async with asyncio.timeout(self._answer_s):
                    await send(message)
            except TimeoutError as exc:
                raise _StalledError from exc

        try:
            await self._app(scope, receive_in_time, send_in_time)
        except _StalledError:
            _log.warning("client does not read its response", path=scope["path"])
            if (exchange := exchange_of(scope)) is not None:
                exchange.evict()  # closing would wait for the client

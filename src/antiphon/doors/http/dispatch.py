"""From a matched path to a response: method, decoding, handler and errors."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import structlog

from antiphon.doors.errors import InternalError, MethodNotAllowed, RouteNotFound, error_answer
from antiphon.doors.http.bodies import check_content_type
from antiphon.doors.http.fields import decode_query
from antiphon.doors.http.responses import Whole
from antiphon.doors.http.route import JSON, AnyRoute, Call
from antiphon.doors.server.asgi import AsgiApp, Message, Receive, Scope, Send
from antiphon.errors import AntiphonError
from antiphon.observe.metrics import Metrics
from antiphon.text.quoting import shown

_log = structlog.get_logger(__name__)
_encode = msgspec.json.Encoder().encode
_SENT_PATH = "antiphon.sent_path"
"""Scope key of the path as the client sent it."""


class Resource:
    """All operations of one path, as the ASGI app that the router calls."""

    def __init__(self, routes: Mapping[str, AnyRoute]) -> None:
        self._routes = dict(routes)
        if "GET" in routes:
            self._routes.setdefault("HEAD", routes["GET"])
        self._allow = ", ".join(sorted({*self._routes, "OPTIONS"}))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request, or raise an `AntiphonError`."""
        method = scope["method"]
        if method == "OPTIONS":
            await send({"type": "http.response.start", "status": 204, "headers": [(b"allow", self._allow.encode())]})
            await send({"type": "http.response.body", "body": b""})
            return
        route = self._routes.get(method)
        if route is None:
            raise MethodNotAllowed(f"{shown(method)} is not possible for {shown(_sent_path(scope))}.", self._allow)
        answer = await self._answer(route, scope, receive)
        await answer(scope, receive, send)

    async def _answer(self, route: AnyRoute, scope: Scope, receive: Receive) -> AsgiApp:
        if route.access != "open":
            check_content_type(scope)
        query = decode_query(scope["query_string"], route.query)
        body = await route.body.read(scope, receive)
        result = await route.handler(route.services, Call(scope, receive, body, query))
        if isinstance(result, bytes):
            return Whole(result, route.media_type)
        if isinstance(result, msgspec.Struct | Mapping):
            return Whole(_encode(result), JSON)
        return result


async def not_found(scope: Scope, receive: Receive, send: Send) -> None:
    """Refuse a path that no route has."""
    raise RouteNotFound(f"There is nothing at {shown(scope['method'])} {shown(_sent_path(scope))}.")


class Faults:
    """Wraps the router: a failure before the response starts is answered in the common error shape, and counted.

    The router sees the path without doubled and trailing slashes.
    """

    def __init__(self, app: AsgiApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer its failure."""
        has_begun = False

        async def send_noted(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await self._app({**scope, "path": _plain(scope["path"]), _SENT_PATH: scope["path"]}, receive, send_noted)
        except AntiphonError as error:
            if has_begun:
                raise RuntimeError("the response failed after its start") from error
            await self._tell(error, send)
        except Exception as error:  # the outermost loop of a request: a fault must not end others
            if has_begun:
                raise
            _log.error("request failed unexpectedly", path=scope["path"], exc_info=error)
            message = f"Internal error; the server log has the details of {scope['state']['request_id']}."
            await self._tell(InternalError(message), send)

    async def _tell(self, error: AntiphonError, send: Send) -> None:
        self._metrics.error("speech", error.type)
        told = error_answer(error)
        await send({"type": "http.response.start", "status": told.status, "headers": list(told.headers)})
        await send({"type": "http.response.body", "body": told.body})


def _sent_path(scope: Scope) -> str:
    return scope[_SENT_PATH]


def _plain(path: str) -> str:
    return "/" + "/".join(part for part in path.split("/") if part)

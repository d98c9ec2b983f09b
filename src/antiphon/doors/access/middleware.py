"""Authentication and request metrics in front of every REST route."""

from __future__ import annotations

from collections.abc import Iterable, Set

from antiphon.doors.access.authentication import Access, Credentials, Identity
from antiphon.doors.errors import PLAIN_HEADERS, error_answer
from antiphon.doors.server.asgi import AsgiApp, Message, Receive, Scope, Send
from antiphon.doors.server.exchange import admit
from antiphon.errors import AntiphonError, Forbidden
from antiphon.ids import new_id
from antiphon.observe.metrics import Metrics
from antiphon.observe.trace import sent_with, span, tracing

_DOORS = (("/v1/realtime", "realtime"), ("/v1/", "speech"), ("/docs", "site"), ("/openapi.json", "site"))


class AccessMiddleware:
    """Wraps the REST application. Other kinds of traffic pass untouched."""

    def __init__(self, app: AsgiApp, access: Access, metrics: Metrics, open_to_all: Set[tuple[str, str]]) -> None:
        """``open_to_all`` are methods and paths that need no key, on any host name."""
        self._app = app
        self._access = access
        self._metrics = metrics
        self._open_to_all = open_to_all

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Admit the caller and pass the request on, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = _Answer(send)
        try:
            state = scope.setdefault("state", {})
            state["request_id"] = answer.request_id
            identity = state["identity"] = self._admit(scope)
            trace = sent_with(scope["headers"])
            with (
                tracing(trace, tenant_id=identity.tenant, correlation_id=answer.request_id),
                span("request", method=scope["method"], request_id=answer.request_id),
            ):
                await self._app(scope, receive, answer)
        except AntiphonError as error:
            self._metrics.error(_door(scope["path"]), error.type)
            await answer.refuse(error)
        finally:
            self._count(scope["path"], answer.status)

    def _admit(self, scope: Scope) -> Identity:
        if (scope["method"], scope["path"]) in self._open_to_all:
            return Identity("default", "probe")
        identity = self._access.admit(Credentials.of_scope(scope))
        if identity.is_ephemeral:
            raise Forbidden("A client secret opens realtime sessions and nothing else.", code="key_scope")
        admit(scope)
        return identity

    def _count(self, path: str, status: int) -> None:
        outcome = "done" if status < 400 else "refused" if status < 500 else "failed"
        self._metrics.request(_door(path), outcome)


class _Answer:
    """Sends a response, with the headers that every response has."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.request_id = new_id("req")
        self.status = 500

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            own = list(message.get("headers", ()))
            extra = [(b"x-request-id", self.request_id.encode()), *plain_headers(own)]
            message = {**message, "headers": [*own, *extra]}
        await self._send(message)

    async def refuse(self, error: AntiphonError) -> None:
        told = error_answer(error)
        await self({"type": "http.response.start", "status": told.status, "headers": list(told.headers)})
        await self._send({"type": "http.response.body", "body": told.body})


def plain_headers(own: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Return the default headers that a response does not set itself."""
    names = {name.lower() for name, _ in own}
    return [header for header in PLAIN_HEADERS if header[0] not in names]


def _door(path: str) -> str:
    return next((name for prefix, name in _DOORS if path.startswith(prefix)), "health")

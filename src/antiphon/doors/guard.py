"""The guard before every REST route: who may pass, which pages may read the answer, and what is counted."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from antiphon.doors.auth import Access, Credentials, Identity
from antiphon.doors.errors_http import error_answer
from antiphon.errors import AntiphonError, Forbidden
from antiphon.ids import new_id
from antiphon.observe.metrics import Metrics
from antiphon.observe.trace import sent_with, tracing

AsgiApp = Callable[[Any, Any, Any], Awaitable[None]]

OPEN_PATHS = frozenset({"/health", "/ready"})
"""What a probe may ask without a key, by any name of this machine."""

_PREFLIGHT = (
    (b"access-control-allow-methods", b"GET, POST, DELETE, OPTIONS"),
    (b"access-control-allow-headers", b"authorization, content-type, x-api-key, api-key, openai-beta"),
    (b"access-control-max-age", b"600"),
)
_DOORS = (("/v1/realtime", "realtime"), ("/v1/", "speech"), ("/docs", "site"), ("/openapi.json", "site"))


class Guard:
    """Wraps the REST application. Other kinds of traffic pass untouched."""

    def __init__(self, app: AsgiApp, access: Access, metrics: Metrics, *, allowed_origins: Iterable[str] = ()) -> None:
        self._app = app
        self._access = access
        self._metrics = metrics
        self._origins = frozenset(allowed_origins)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Admit and pass on, or answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = _Answer(send, self._cors(scope))
        try:
            if _is_preflight(scope):
                await answer.preflight()
                return
            state = scope.setdefault("state", {})
            state["request_id"] = answer.request_id
            identity = state["identity"] = self._admit(scope)
            trace, tenant = sent_with(scope["headers"]), identity.tenant
            with tracing(trace, tenant_id=tenant, correlation_id=answer.request_id):
                await self._app(scope, receive, answer)
        except AntiphonError as error:
            self._metrics.error(_door(scope["path"]), error.type)
            await answer.refuse(error)
        finally:
            self._count(scope["path"], answer.status)

    def _admit(self, scope: Any) -> Identity:
        if scope["path"] in OPEN_PATHS:
            return Identity("default", "probe")
        identity = self._access.admit(Credentials.of_scope(scope))
        if identity.is_ephemeral:
            raise Forbidden("A client secret opens realtime sessions and nothing else.", code="key_scope")
        return identity

    def _cors(self, scope: Any) -> tuple[tuple[bytes, bytes], ...]:
        """Let a page of an allowed origin read the answer; every other page cannot."""
        origin = next((value for name, value in scope["headers"] if name == b"origin"), b"")
        allowed = origin.decode("latin-1").lower()
        if not origin or not ({allowed, "*"} & self._origins):
            return ()
        return (b"access-control-allow-origin", origin), (b"vary", b"origin")

    def _count(self, path: str, status: int) -> None:
        outcome = "done" if status < 400 else "refused" if status < 500 else "failed"
        self._metrics.request(_door(path), outcome)


class _Answer:
    """The way back to the client: adds the headers that every answer has."""

    def __init__(self, send: Any, cors: tuple[tuple[bytes, bytes], ...]) -> None:
        self._send = send
        self._cors = cors
        self.request_id = new_id("req")
        self.status = 500

    async def __call__(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            extra = ((b"x-request-id", self.request_id.encode()), *self._cors)
            message = {**message, "headers": [*message.get("headers", ()), *extra]}
        await self._send(message)

    async def refuse(self, error: AntiphonError) -> None:
        told = error_answer(error)
        await self({"type": "http.response.start", "status": told.status, "headers": list(told.headers)})
        await self._send({"type": "http.response.body", "body": told.body})

    async def preflight(self) -> None:
        """Answer a browser's question before it sends a request; nothing is done, so no key is needed."""
        headers = list(_PREFLIGHT) if self._cors else []
        await self({"type": "http.response.start", "status": 204, "headers": headers})
        await self._send({"type": "http.response.body", "body": b""})


def _door(path: str) -> str:
    return next((name for prefix, name in _DOORS if path.startswith(prefix)), "health")


def _is_preflight(scope: Any) -> bool:
    names = {name for name, _ in scope["headers"]}
    return scope["method"] == "OPTIONS" and {b"origin", b"access-control-request-method"} <= names

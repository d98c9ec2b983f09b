"""Errors as HTTP responses: one JSON shape for REST routes and refused WebSocket upgrades."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import msgspec

from antiphon.errors import AntiphonError, InvalidRequest, NotFound, RateLimited, Transient, Unauthenticated
from antiphon.wire.validation_errors import explain


class RouteNotFound(NotFound):
    """No route has this path."""

    type = "invalid_request_error"
    default_code = "unknown_url"


class MethodNotAllowed(InvalidRequest):
    """The path exists, but not for this method."""

    status = 405
    default_code = "method_not_allowed"

    def __init__(self, message: str, allow: str) -> None:
        """``allow`` lists the methods of the path, as in the ``Allow`` header."""
        super().__init__(message)
        self.allow = allow


class RequestTimedOut(InvalidRequest):
    """The body did not arrive in time."""

    status = 408
    default_code = "request_timeout"


class ContentTooLarge(InvalidRequest):
    """The body, or a file in it, is too large."""

    status = 413
    default_code = "content_too_large"


class InternalError(AntiphonError):
    """A fault of the server; the details are in the log only."""

    default_code = "internal_error"


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """A complete answer; header names are lower-case."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


def error_object(error: AntiphonError) -> dict[str, Any]:
    """Return ``{"error": {message, type, param, code}}``, always with all four keys."""
    return {"error": {"message": error.message, "type": error.type, "param": error.param, "code": error.code}}


PLAIN_HEADERS = ((b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store"))
"""Headers of a response that does not set them itself: it may hold keys or what people said."""


def error_answer(error: AntiphonError, **fields: Any) -> HttpAnswer:
    """Return the HTTP response for ``error``; ``fields`` are further fields of its body."""
    body = msgspec.json.encode({**error_object(error), **fields})
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        *PLAIN_HEADERS,
    ]
    if isinstance(error, Unauthenticated):
        headers.append((b"www-authenticate", b'Bearer realm="antiphon"'))
    if isinstance(error, MethodNotAllowed):
        headers.append((b"allow", error.allow.encode()))
    if isinstance(error, RateLimited):
        headers.append((b"retry-after", str(max(1, math.ceil(error.retry_after_s))).encode()))
    elif isinstance(error, Transient):
        headers.append((b"retry-after", b"1"))
    return HttpAnswer(error.status, tuple(headers), body)


def invalid_of(error: str, *, within: str = "") -> InvalidRequest:
    """Translate msgspec's message; ``within`` is a prefix of the field's name."""
    refusal = explain(error)
    param = ".".join(part for part in (within, refusal.param) if part) or None
    message = refusal.message
    if within and refusal.param:
        message = message.replace(f"'{refusal.param}'", f"'{param}'")
    return InvalidRequest(message, code=refusal.code, param=param)

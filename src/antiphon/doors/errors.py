"""Errors as HTTP answers: one JSON shape for every door, REST routes and refused WebSocket upgrades alike."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import msgspec

from antiphon.errors import AntiphonError, InvalidRequest, NotFound, RateLimited, Transient, Unauthenticated
from antiphon.wire.validation_errors import explain


class RouteNotFound(NotFound):
    """There is nothing under this path."""

    type = "invalid_request_error"
    default_code = "unknown_url"


class MethodNotAllowed(InvalidRequest):
    """There is something under this path, but not for this method."""

    status = 405
    default_code = "method_not_allowed"

    def __init__(self, message: str, allow: str) -> None:
        """``allow`` are the methods that the path has, as the header names them."""
        super().__init__(message)
        self.allow = allow


class RequestTimedOut(InvalidRequest):
    """The body did not come in time."""

    status = 408
    default_code = "request_timeout"


class ContentTooLarge(InvalidRequest):
    """The body, or a file in it, is too large."""

    status = 413
    default_code = "content_too_large"


class InternalError(AntiphonError):
    """A fault of ours; the log has the details, the client must not."""

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
"""What an answer says unless it has its own word: it holds what people said, or keys."""


def error_answer(error: AntiphonError, **beside: Any) -> HttpAnswer:
    """Return the HTTP answer that tells a client of ``error``; ``beside`` are further fields of its body."""
    body = msgspec.json.encode({**error_object(error), **beside})
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
    """Return the error that msgspec's words stand for; ``within`` leads the name of the field."""
    refusal = explain(error)
    param = ".".join(part for part in (within, refusal.param) if part) or None
    message = refusal.message
    if within and refusal.param:
        message = message.replace(f"'{refusal.param}'", f"'{param}'")
    return InvalidRequest(message, code=refusal.code, param=param)

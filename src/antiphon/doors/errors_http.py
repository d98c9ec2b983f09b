"""Errors as HTTP answers: one JSON shape for every door, REST routes and refused WebSocket upgrades alike."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import msgspec

from antiphon.errors import AntiphonError, RateLimited, Transient, Unauthenticated


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """A complete answer; header names are lower-case."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


def error_object(error: AntiphonError) -> dict[str, Any]:
    """Return ``{"error": {message, type, param, code}}``, always with all four keys."""
    return {"error": {"message": error.message, "type": error.type, "param": error.param, "code": error.code}}


def error_answer(error: AntiphonError) -> HttpAnswer:
    """Return the HTTP answer that tells a client of ``error``."""
    body = msgspec.json.encode(error_object(error))
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if isinstance(error, Unauthenticated):
        headers.append((b"www-authenticate", b'Bearer realm="antiphon"'))
    if isinstance(error, RateLimited):
        headers.append((b"retry-after", str(max(1, math.ceil(error.retry_after_s))).encode()))
    elif isinstance(error, Transient):
        headers.append((b"retry-after", b"1"))
    return HttpAnswer(error.status, tuple(headers), body)

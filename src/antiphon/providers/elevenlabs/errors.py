"""Maps errors of the ``elevenlabs`` client to ours."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any, cast

import httpx
from elevenlabs.core.api_error import ApiError

from antiphon.errors import AntiphonError, ProviderTimeout
from antiphon.providers.http.status_errors import broken_off, error_of_status, rejected

_OWN_LIMITS = {"too_many_concurrent_requests", "rate_limit_exceeded"}
"""Codes of a 429 about limits of this account; ``system_busy`` is an overload of the service."""


@contextmanager
def elevenlabs_errors(engine: str) -> Generator[None]:
    """Translate errors of the client and its connection in the block."""
    try:
        yield
    except ApiError as exc:
        raise _by_status(engine, exc) from exc
    except httpx.TimeoutException as exc:
        raise ProviderTimeout(f"{engine} gave no answer in time") from exc
    except (httpx.HTTPError, httpx.StreamError) as exc:
        raise broken_off(engine, exc) from exc


def _by_status(engine: str, error: ApiError) -> AntiphonError:
    status, headers = error.status_code or 0, error.headers or {}
    code, reason = _detail(error.body)
    reason = reason or code or "no reason given"
    if code == "quota_exceeded":  # comes with several statuses, and a retry is useless
        return rejected(engine, status, reason, code)
    if status == 429 and code in _OWN_LIMITS and "retry-after" not in headers:
        headers = {**headers, "retry-after": "1"}
    return error_of_status(engine, status, reason, headers=headers, code=code)


def _detail(body: object) -> tuple[str | None, str]:
    """Return the service's error code, if any, and its message.

    ``detail`` is an object with both, a sentence, or FastAPI's list of invalid fields.
    """
    detail = _fields(body).get("detail")
    if isinstance(detail, str):
        return None, detail
    if isinstance(detail, list):
        found = [_fields(one).get("msg") for one in cast("list[object]", detail)]
        return None, "; ".join(str(one) for one in found if one)
    fields = _fields(detail)
    code = fields.get("status") or fields.get("code")
    return None if code is None else str(code), str(fields.get("message") or "")


def _fields(value: object) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}

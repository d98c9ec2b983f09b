"""The errors of the ``elevenlabs`` client, as ours."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any, cast

import httpx
from elevenlabs.core.api_error import ApiError

from antiphon.errors import AntiphonError, ProviderTimeout
from antiphon.providers.http.status_errors import broken_off, error_of_status, rejected

_OWN_LIMITS = {"too_many_concurrent_requests", "rate_limit_exceeded"}
"""Words of a 429 for what this account may have at a time; ``system_busy`` is the service's own trouble."""


@contextmanager
def elevenlabs_errors(engine: str) -> Generator[None]:
    """Translate what the client and its connection raise in the block."""
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
    code, said = _detail(error.body)
    said = said or code or "no reason given"
    if code == "quota_exceeded":  # with several statuses, and no waiting mends it
        return rejected(engine, status, said, code)
    if status == 429 and code in _OWN_LIMITS and "retry-after" not in headers:
        headers = {**headers, "retry-after": "1"}
    return error_of_status(engine, status, said, headers=headers, code=code)


def _detail(body: object) -> tuple[str | None, str]:
    """Return the service's own word for a refusal, and its reason.

    ``detail`` is an object with both, a sentence, or FastAPI's list of what is wrong with the fields.
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

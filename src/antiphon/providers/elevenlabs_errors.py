"""The errors of the ``elevenlabs`` client, as ours."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any, cast

import httpx
from elevenlabs.core.api_error import ApiError

from antiphon.errors import AntiphonError, ProviderRejected, ProviderTimeout, ProviderUnavailable, RateLimited
from antiphon.providers.service_errors import error_of_status, reason

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
        raise ProviderUnavailable(f"{engine} cannot be reached or broke off: {reason(exc)}") from exc


def _by_status(engine: str, error: ApiError) -> AntiphonError:
    status, headers = error.status_code or 0, error.headers or {}
    code, said = _detail(error.body)
    message = f"{engine} answered {status}: {said or code or 'no reason given'}"
    if code == "quota_exceeded":  # with several statuses, and no waiting mends it
        return ProviderRejected(message, code=code)
    if status == 429 and code in _OWN_LIMITS and "retry-after" not in headers:
        return RateLimited(message)
    return error_of_status(status, message, headers=headers, code=code)


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
    return cast("str | None", fields.get("status") or fields.get("code")), str(fields.get("message") or "")


def _fields(value: object) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}

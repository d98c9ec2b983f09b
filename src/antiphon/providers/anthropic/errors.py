"""Maps errors of the ``anthropic`` client to ours."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import anthropic
import httpx2

from antiphon.errors import AntiphonError, ProviderTimeout
from antiphon.providers.http.status_errors import broken_off, error_of_status, rejected

_STATUS = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "timeout_error": 504,
    "overloaded_error": 529,
}
"""HTTP statuses of errors that come inside a stream, whose own status is 200."""

_SPENT = {"contract_spend_limit_reached", "enforced_spend_limit_reached"}
"""Causes of a 429 for which a retry is useless."""


@contextmanager
def anthropic_errors(engine: str) -> Generator[None]:
    """Translate errors of the client and its connection in the block."""
    try:
        yield
    except (anthropic.APITimeoutError, httpx2.TimeoutException) as exc:
        raise ProviderTimeout(f"{engine} gave no answer in time") from exc
    except anthropic.APIStatusError as exc:
        raise _by_status(engine, exc) from exc
    except (anthropic.AnthropicError, httpx2.HTTPError, httpx2.StreamError) as exc:
        raise broken_off(engine, exc) from exc


def _by_status(engine: str, error: anthropic.APIStatusError) -> AntiphonError:
    status = error.status_code if error.status_code >= 400 else _STATUS.get(str(error.type), 500)
    reason = str(error.api_message or error.message)
    if error.error_code in _SPENT:
        return rejected(engine, status, reason, "insufficient_quota")
    return error_of_status(engine, status, reason, headers=error.response.headers, code=error.type)

"""Maps the HTTP status of a service to one of our errors."""

from __future__ import annotations

import string
from collections.abc import Mapping

from antiphon.errors import (
    AntiphonError,
    ProviderBusy,
    ProviderRejected,
    ProviderTimeout,
    ProviderUnavailable,
    RateLimited,
)

_CODES = frozenset({
    # of OpenAI and compatible services
    "billing_hard_limit_reached", "content_filter", "content_policy_violation", "context_length_exceeded",
    "insufficient_quota", "invalid_api_key", "invalid_image", "invalid_value", "invalid_voice", "model_not_found",
    "rate_limit_exceeded", "string_above_max_length", "unsupported_country_region_territory", "unsupported_parameter",
    "unsupported_value",
    # of Anthropic
    "authentication_error", "billing_error", "invalid_request_error", "not_found_error", "permission_error",
    "request_too_large",
    # of ElevenLabs
    "invalid_voice_settings", "max_character_limit_exceeded", "missing_permissions", "output_format_not_allowed",
    "quota_exceeded", "voice_not_found",
})  # fmt: skip
"""Error codes of services that are passed on to clients; any other text in their place is not."""
_MOST_DETAIL = 1_000
"""Characters of a service's message that are logged."""
_IN_A_KEY = string.ascii_letters + string.digits + "-_.~+/=%:@"


def error_of_status(
    engine: str, status: int, said: str, *, headers: Mapping[str, str], code: object = None
) -> AntiphonError:
    """Return the error for an answer with ``status``; ``code`` is the service's own error code.

    The body, ``said``, may name hosts, accounts and quotas of the operator: it is only logged.
    """
    message, detail = f"{engine} answered {status}", _clipped(said)
    wait_s = _retry_after_s(headers)
    if status == 429 and wait_s is not None:
        return RateLimited(message, retry_after_s=wait_s, detail=detail)
    if status in {408, 504}:
        return ProviderTimeout(message, detail=detail)
    if status in {409, 429, 503, 529}:
        return ProviderBusy(message, detail=detail)
    if status >= 500:
        return ProviderUnavailable(message, detail=detail)
    return rejected(engine, status, said, code)


def rejected(engine: str, status: int, said: str, code: object) -> ProviderRejected:
    """Return the error for a permanent rejection; ``code`` is the service's own, of any type."""
    known = code if isinstance(code, str) and code in _CODES else None
    return ProviderRejected(f"{engine} answered {status}", code=known, detail=_clipped(said))


def broken_off(engine: str, error: Exception) -> ProviderUnavailable:
    """Return the error for a failed connection."""
    return ProviderUnavailable(f"{engine} cannot be reached or broke off", detail=_clipped(_reason(error)))


def _clipped(said: str) -> str:
    """Return the beginning, cut outside of any key: part of a key is not recognised as one, and would be logged."""
    return said if len(said) <= _MOST_DETAIL else said[:_MOST_DETAIL].rstrip(_IN_A_KEY)


def _reason(error: Exception) -> str:
    """Return the reason of a failed connection: the cause tells more than the client library's own error."""
    cause = error.__cause__ or error
    return str(cause) or type(cause).__name__


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Return the seconds of the Retry-After header; None if it is missing or a date."""
    try:
        wait_s = float(headers["retry-after"])
    except (KeyError, ValueError):
        return None
    return wait_s if 0 <= wait_s < float("inf") else None

"""What a service's HTTP status means, as one of our errors."""

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
    # of OpenAI and of those that speak as it does
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
"""Words for a refusal that clients are told: whatever else a service says in their place may be of any kind."""
_MOST_DETAIL = 1_000
"""Characters of a service's own words that a log takes."""
_IN_A_KEY = string.ascii_letters + string.digits + "-_.~+/=%:@"


def error_of_status(
    engine: str, status: int, said: str, *, headers: Mapping[str, str], code: object = None
) -> AntiphonError:
    """Return the error of an answer with ``status``; ``code`` is the service's own word for a refusal.

    What the service ``said`` may name hosts, accounts and quotas of the operator: it is for the log.
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
    """Return the error of a refusal that no waiting mends; ``code`` is whatever the service put there."""
    known = code if isinstance(code, str) and code in _CODES else None
    return ProviderRejected(f"{engine} answered {status}", code=known, detail=_clipped(said))


def broken_off(engine: str, error: Exception) -> ProviderUnavailable:
    """Return the error of a connection that failed."""
    return ProviderUnavailable(f"{engine} cannot be reached or broke off", detail=_clipped(_reason(error)))


def _clipped(said: str) -> str:
    """Return the beginning, which does not end within a key: half a key is not known as one, and would be logged."""
    return said if len(said) <= _MOST_DETAIL else said[:_MOST_DETAIL].rstrip(_IN_A_KEY)


def _reason(error: Exception) -> str:
    """Return what is known of a connection that failed: clients say little, their causes say more."""
    cause = error.__cause__ or error
    return str(cause) or type(cause).__name__


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that the service asks to wait; None where it says none, or a date."""
    try:
        wait_s = float(headers["retry-after"])
    except (KeyError, ValueError):
        return None
    return wait_s if 0 <= wait_s < float("inf") else None

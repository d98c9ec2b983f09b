"""What a service's HTTP status means, as one of our errors."""

from __future__ import annotations

from collections.abc import Mapping

from antiphon.errors import (
    AntiphonError,
    ProviderBusy,
    ProviderRejected,
    ProviderTimeout,
    ProviderUnavailable,
    RateLimited,
)


def error_of_status(status: int, message: str, *, headers: Mapping[str, str], code: str | None = None) -> AntiphonError:
    """Return the error of an answer with ``status``; ``code`` is the service's own word for a refusal."""
    wait_s = _retry_after_s(headers)
    if status == 429 and wait_s is not None:
        return RateLimited(message, retry_after_s=wait_s)
    if status in {408, 504}:
        return ProviderTimeout(message)
    if status in {409, 429, 503, 529}:
        return ProviderBusy(message)
    if status >= 500:
        return ProviderUnavailable(message)
    return ProviderRejected(message, code=code)


def reason(error: Exception) -> str:
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

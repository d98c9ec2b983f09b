"""The errors of the ``openai`` client, as ours."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import httpx2
import openai

from antiphon.errors import (
    AntiphonError,
    ProviderBusy,
    ProviderRejected,
    ProviderTimeout,
    ProviderUnavailable,
    RateLimited,
)


@contextmanager
def openai_errors(engine: str) -> Generator[None]:
    """Translate what the client and its connection raise in the block."""
    try:
        yield
    except (openai.APITimeoutError, httpx2.TimeoutException) as exc:
        raise ProviderTimeout(f"{engine} gave no answer in time") from exc
    except openai.APIStatusError as exc:
        raise _by_status(engine, exc) from exc
    except (openai.OpenAIError, httpx2.HTTPError, httpx2.StreamError) as exc:
        raise ProviderUnavailable(f"{engine} cannot be reached or broke off: {_reason(exc)}") from exc


def _by_status(engine: str, error: openai.APIStatusError) -> AntiphonError:
    message = f"{engine} answered {error.status_code}: {error.message}"
    if error.code == "insufficient_quota":  # a 429 that no waiting mends
        return ProviderRejected(message, code="insufficient_quota")
    wait_s = _retry_after_s(error)
    if error.status_code == 429 and wait_s is not None:
        return RateLimited(message, retry_after_s=wait_s)
    if error.status_code in {408, 504}:
        return ProviderTimeout(message)
    if error.status_code in {409, 429, 503, 529}:
        return ProviderBusy(message)
    if error.status_code >= 500:
        return ProviderUnavailable(message)
    return ProviderRejected(message, code=error.code)


def _retry_after_s(error: openai.APIStatusError) -> float | None:
    """Return the seconds that the service asks to wait; None where it says none, or a date."""
    try:
        wait_s = float(error.response.headers["retry-after"])
    except (KeyError, ValueError):
        return None
    return wait_s if 0 <= wait_s < float("inf") else None


def _reason(error: Exception) -> str:
    cause = error.__cause__ or error
    return str(cause) or type(cause).__name__

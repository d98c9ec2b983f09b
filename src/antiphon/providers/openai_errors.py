"""The errors of the ``openai`` client, as ours."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import httpx2
import openai

from antiphon.errors import AntiphonError, ProviderRejected, ProviderTimeout, ProviderUnavailable
from antiphon.providers.service_errors import error_of_status, reason


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
        raise ProviderUnavailable(f"{engine} cannot be reached or broke off: {reason(exc)}") from exc


def _by_status(engine: str, error: openai.APIStatusError) -> AntiphonError:
    message = f"{engine} answered {error.status_code}: {error.message}"
    if error.code == "insufficient_quota":  # a 429 that no waiting mends
        return ProviderRejected(message, code="insufficient_quota")
    return error_of_status(error.status_code, message, headers=error.response.headers, code=error.code)

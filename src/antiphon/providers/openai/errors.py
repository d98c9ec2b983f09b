"""Maps errors of the ``openai`` client to ours."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import httpx2
import openai

from antiphon.errors import AntiphonError, ProviderTimeout
from antiphon.providers.http.status_errors import broken_off, error_of_status, rejected


@contextmanager
def openai_errors(engine: str) -> Generator[None]:
    """Translate errors of the client and its connection in the block."""
    try:
        yield
    except (openai.APITimeoutError, httpx2.TimeoutException) as exc:
        raise ProviderTimeout(f"{engine} gave no answer in time") from exc
    except openai.APIStatusError as exc:
        raise _by_status(engine, exc) from exc
    except (openai.OpenAIError, httpx2.HTTPError, httpx2.StreamError) as exc:
        raise broken_off(engine, exc) from exc


def _by_status(engine: str, error: openai.APIStatusError) -> AntiphonError:
    if error.code == "insufficient_quota":  # a 429 for which a retry is useless
        return rejected(engine, error.status_code, error.message, error.code)
    return error_of_status(engine, error.status_code, error.message, headers=error.response.headers, code=error.code)

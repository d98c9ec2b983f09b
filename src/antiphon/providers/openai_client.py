"""The connection to OpenAI and to services that speak as it does."""

from __future__ import annotations

from openai import AsyncOpenAI

from antiphon.errors import ProviderUnavailable
from antiphon.ports.engine import EngineContext

OFFICIAL_BASE_URL = "https://api.openai.com/v1"


def openai_client(context: EngineContext) -> AsyncOpenAI:
    """Return a client with the key, address and deadline of ``context``; it never retries by itself.

    A service of one's own may need no key. Raises `ProviderUnavailable` when the official one has none.
    """
    key = context.settings.get("openai_api_key")
    base_url = str(context.settings.get("openai_base_url") or OFFICIAL_BASE_URL)
    if not key and base_url.rstrip("/") == OFFICIAL_BASE_URL:
        raise ProviderUnavailable("there is no key for OpenAI: set ANTIPHON_OPENAI_API_KEY", code="no_api_key")
    return AsyncOpenAI(api_key=str(key or "none"), base_url=base_url, timeout=context.timeout_s, max_retries=0)

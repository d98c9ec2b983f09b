"""The connection to OpenAI and to services that speak as it does."""

from __future__ import annotations

from contextlib import suppress

import httpx2
from openai import AsyncOpenAI, DefaultAsyncHttpxClient, NotFoundError

from antiphon.errors import ProviderUnavailable
from antiphon.ports.engine import EngineContext
from antiphon.ports.settings import opened
from antiphon.providers.openai.errors import openai_errors
from antiphon.providers.openai.settings import OpenAiSettings


def openai_client(context: EngineContext) -> AsyncOpenAI:
    """Return a client with the key, address and deadline of ``context``; it never retries by itself.

    A service of one's own may need no key. Raises `ProviderUnavailable` when the official one has none.
    """
    settings = context.section(OpenAiSettings)
    key = opened(settings.openai_api_key)
    if not key and settings.is_official:
        raise ProviderUnavailable("there is no key for OpenAI: set ANTIPHON_OPENAI_API_KEY", code="no_api_key")
    return connect(key or "none", settings.openai_base_url, timeout_s=context.timeout_s)


async def check(engine: str, client: AsyncOpenAI) -> None:
    """Ask for the list of models, which costs nothing; a service that has none has answered as well."""
    with openai_errors(engine), suppress(NotFoundError):
        await client.get("/models", cast_to=httpx2.Response)


def connect(key: str, base_url: str, *, timeout_s: float) -> AsyncOpenAI:
    """Return a client that asks once, and at that address alone: a redirect would carry what people said elsewhere."""
    connections = DefaultAsyncHttpxClient(follow_redirects=False, timeout=timeout_s)
    return AsyncOpenAI(api_key=key, base_url=base_url, timeout=timeout_s, max_retries=0, http_client=connections)

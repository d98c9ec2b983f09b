"""The client of OpenAI and OpenAI-compatible services."""

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
    """Return a client with the key, address and timeout of ``context``; it does not retry.

    A compatible service may need no key. Raises `ProviderUnavailable` for the official one without a key.
    """
    settings = context.section(OpenAiSettings)
    key = opened(settings.openai_api_key)
    if not key and settings.is_official:
        raise ProviderUnavailable("there is no key for OpenAI: set ANTIPHON_OPENAI_API_KEY", code="no_api_key")
    return connect(key or "none", settings.openai_base_url, timeout_s=context.timeout_s)


async def check(engine: str, client: AsyncOpenAI) -> None:
    """Request the list of models, which is free; a 404 counts as an answer."""
    with openai_errors(engine), suppress(NotFoundError):
        await client.get("/models", cast_to=httpx2.Response)


def connect(key: str, base_url: str, *, timeout_s: float) -> AsyncOpenAI:
    """Return a client without retries and redirects, which would send conversations to another server."""
    connections = DefaultAsyncHttpxClient(follow_redirects=False, timeout=timeout_s)
    return AsyncOpenAI(api_key=key, base_url=base_url, timeout=timeout_s, max_retries=0, http_client=connections)

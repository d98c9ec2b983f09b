"""Sends webhooks over HTTP."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from contextlib import suppress
from email.utils import parsedate_to_datetime

import httpx2

from antiphon.clock import Clock, SystemClock
from antiphon.errors import ProviderUnavailable
from antiphon.ports.webhooks import Answer
from antiphon.providers.hosting.deadline import deadline
from antiphon.version import VERSION

_NAME = "the endpoint"
_MOST_BYTES = 4 * 1024
"""Bytes of an answer that are read, so that its connection can be used again."""
_READ_S = 1.0
"""Longest wait for them."""
_KEEP_S = 30.0
_CONNECTIONS = httpx2.Limits(max_connections=None, max_keepalive_connections=64, keepalive_expiry=_KEEP_S)

_BROKEN = (httpx2.TransportError, httpx2.StreamError, OSError)


class HttpWebhookSender:
    """`WebhookSender` over HTTP/1.1.

    It is a transport and not a client: no redirects, no cookies, no proxy of the environment, no URLs in logs.
    """

    def __init__(self, timeout_s: float, clock: Clock | None = None) -> None:
        """``timeout_s`` bounds an attempt as a whole."""
        self._timeout_s = timeout_s
        self._clock = clock or SystemClock()
        self._transport = httpx2.AsyncHTTPTransport(trust_env=False, limits=_CONNECTIONS)

    async def send(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Post once. Raises `ProviderTimeout`, `ProviderUnavailable`."""
        own = {"user-agent": f"antiphon/{VERSION}", "accept": "*/*", "accept-encoding": "identity"}
        try:
            request = httpx2.Request("POST", url, headers={**own, **headers}, content=body)
            async with deadline(_NAME, self._timeout_s):
                response = await self._transport.handle_async_request(request)
        except (*_BROKEN, httpx2.InvalidURL) as exc:
            raise ProviderUnavailable(f"{_NAME} cannot be reached or broke off", detail=type(exc).__name__) from exc
        await _end(response)
        return Answer(response.status_code, self._retry_after_s(response.headers))

    def _retry_after_s(self, headers: Mapping[str, str]) -> float | None:
        """Return the seconds of the Retry-After header; None if it is missing or neither a number nor a date."""
        text = headers.get("retry-after", "").strip()
        try:
            wait_s = float(text)
        except ValueError:
            try:
                wait_s = max(0.0, parsedate_to_datetime(text).timestamp() - self._clock.wall())
            except (ValueError, OverflowError, TypeError):
                return None
        return wait_s if math.isfinite(wait_s) and wait_s >= 0 else None

    async def close(self) -> None:
        """Close all connections; idempotent."""
        await self._transport.aclose()


async def _end(response: httpx2.Response) -> None:
    """Read a little of an answer and close it; its status counts, whatever becomes of the rest."""
    try:
        with suppress(TimeoutError, *_BROKEN):
            async with asyncio.timeout(_READ_S):
                await _read_some(response)
    finally:
        with suppress(*_BROKEN):
            await response.aclose()


async def _read_some(response: httpx2.Response) -> None:
    count = 0
    async for piece in response.aiter_raw():
        count += len(piece)
        if count > _MOST_BYTES:
            return

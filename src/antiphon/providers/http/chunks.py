"""The streamed answer of a service, with a deadline for each piece."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable
from typing import TypeVar

from antiphon.errors import ProviderUnavailable
from antiphon.providers.hosting.deadline import deadline

T = TypeVar("T")


async def pieces(engine: str, stream: AsyncIterable[T], timeout_s: float) -> AsyncGenerator[T]:
    """Yield the pieces of ``stream``, each within ``timeout_s``.

    Raises `ProviderTimeout`, and `ProviderUnavailable` for data that the service's client library cannot parse.
    """
    results = aiter(stream)
    while True:
        try:
            async with deadline(engine, timeout_s):
                piece = await anext(results, None)
        except (ValueError, TypeError) as exc:
            raise ProviderUnavailable(f"{engine} sent data that is not part of an answer", detail=str(exc)) from exc
        if piece is None:
            return
        yield piece

"""The answer of a service, piece by piece, each with a deadline of its own."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable
from typing import TypeVar

from antiphon.errors import ProviderUnavailable
from antiphon.providers.hosting.deadline import deadline

T = TypeVar("T")


async def pieces(engine: str, stream: AsyncIterable[T], timeout_s: float) -> AsyncGenerator[T]:
    """Yield what ``stream`` gives, within ``timeout_s`` each.

    Raises `ProviderTimeout`, and `ProviderUnavailable` for what the client of the service cannot read.
    """
    results = aiter(stream)
    while True:
        try:
            async with deadline(engine, timeout_s):
                piece = await anext(results, None)
        except (ValueError, TypeError) as exc:
            raise ProviderUnavailable(f"{engine} sent what is no part of an answer", detail=str(exc)) from exc
        if piece is None:
            return
        yield piece

"""Each piece of a service's answer has its own deadline."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from antiphon.errors import ProviderTimeout, ProviderUnavailable
from antiphon.providers.http.chunks import pieces


async def stream(*steps: str | float | Exception) -> AsyncIterator[str]:
    """A text is given, a number is waited for in seconds, an error is raised."""
    for step in steps:
        if isinstance(step, str):
            yield step
        elif isinstance(step, Exception):
            raise step
        else:
            await asyncio.sleep(step)


async def collect(answer: AsyncIterator[str]) -> list[str]:
    return [piece async for piece in answer]


async def test_pieces_come_as_they_are_and_each_may_take_its_time() -> None:
    assert await collect(pieces("any", stream("a", 0.02, "b", 0.02, "c", 0.02), 0.05)) == ["a", "b", "c"]


async def test_a_piece_that_takes_too_long_is_a_time_out() -> None:
    answer = pieces("slow", stream("a", 5.0, "b"), 0.01)
    assert await anext(answer) == "a"
    with pytest.raises(ProviderTimeout, match="slow"):
        await anext(answer)


@pytest.mark.parametrize("error", [ValueError("half a brace"), TypeError("no text")])
async def test_what_cannot_be_read_is_the_service_s_fault(error: Exception) -> None:
    with pytest.raises(ProviderUnavailable, match=f"odd sent data that is not part of an answer: {error}"):
        await collect(pieces("odd", stream("a", error), 5))

"""Each piece of a service's answer has its own deadline."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from antiphon.clock import VirtualClock
from antiphon.errors import ProviderTimeout, ProviderUnavailable
from antiphon.providers.http.chunks import pieces
from tests.virtual_time import on_virtual_time


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


@on_virtual_time
async def test_pieces_come_as_they_are_and_each_may_take_its_time(clock: VirtualClock) -> None:
    began = clock.now()
    assert await collect(pieces("any", stream("a", 2.0, "b", 2.0, "c", 2.0), 3.0)) == ["a", "b", "c"]
    assert clock.now() - began == 6.0


@on_virtual_time
async def test_a_piece_that_takes_too_long_is_a_timeout(clock: VirtualClock) -> None:
    answer, began = pieces("slow", stream("a", 5.0, "b"), 3.0), clock.now()
    assert await anext(answer) == "a"
    with pytest.raises(ProviderTimeout, match="slow"):
        await anext(answer)
    assert clock.now() - began == 3.0


@pytest.mark.parametrize("error", [ValueError("half a brace"), TypeError("no text")])
async def test_what_cannot_be_read_is_the_service_s_fault(error: Exception) -> None:
    with pytest.raises(ProviderUnavailable, match=f"odd sent data that is not part of an answer: {error}"):
        await collect(pieces("odd", stream("a", error), 5))

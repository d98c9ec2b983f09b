"""Counting turns of the event loop: a measure of waiting that does not depend on the machine's speed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from contextlib import suppress

MOST_TURNS = 50
"""Most turns of what waits for nothing but the loop itself."""


async def turns_of(awaitable: Awaitable[object]) -> int:
    """Return how often the event loop turns until something has ended, also by being cancelled."""
    ending = asyncio.ensure_future(awaitable)
    turns = 0
    while not ending.done():
        await asyncio.sleep(0)
        turns += 1
    with suppress(asyncio.CancelledError):
        await ending
    return turns

"""Waits of loops that can be stopped."""

from __future__ import annotations

import asyncio
from contextlib import suppress


async def paused(stop: asyncio.Event, seconds: float) -> None:
    """Return after ``seconds``, or as soon as ``stop`` is set."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()

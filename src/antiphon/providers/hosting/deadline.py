"""The deadline of one call to an engine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from antiphon.errors import ProviderTimeout


@asynccontextmanager
async def deadline(engine: str, timeout_s: float) -> AsyncGenerator[None]:
    """Raise `ProviderTimeout` when the block takes longer; a call in a thread keeps running."""
    try:
        async with asyncio.timeout(timeout_s):
            yield
    except TimeoutError as exc:
        raise ProviderTimeout(f"{engine} gave no answer within {timeout_s:g} s") from exc

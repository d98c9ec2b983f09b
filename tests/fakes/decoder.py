"""A decoder in the test's own thread: what doors and workers do with one is not what its processes do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import IO

from antiphon.audio.containers import decode
from antiphon.ports.decoder import ANY_FILE, DecodeLimits


class ThreadDecoder:
    """A `Decoder` that trusts files."""

    async def decode(
        self, file: IO[bytes], rate_hz: int, *, caller: str, limits: DecodeLimits = ANY_FILE
    ) -> AsyncGenerator[bytes]:
        """Decode in a thread, and give all at once."""
        del caller
        bounds = {"max_duration_s": limits.max_duration_s, "max_work_s": limits.max_work_s}
        sound = await asyncio.to_thread(decode, file.read(), rate_hz, **bounds)
        yield sound.data

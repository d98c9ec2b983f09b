"""Decoding of uploaded files."""

from __future__ import annotations

import io
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import IO, Protocol

from antiphon.audio.containers import MAX_DURATION_S, MAX_WORK_S


@dataclass(frozen=True, slots=True)
class DecodeLimits:
    """Bounds of one decoding."""

    max_duration_s: float = MAX_DURATION_S
    """Longest sound."""
    max_work_s: float = MAX_WORK_S
    """Longest time in the decoder."""


ANY_FILE = DecodeLimits()
"""Bounds of an upload."""


class Decoder(Protocol):
    """Decodes untrusted files without risk for this process."""

    def decode(
        self, file: IO[bytes], rate_hz: int, *, caller: str, limits: DecodeLimits = ANY_FILE
    ) -> AsyncGenerator[bytes]:
        """Yield the first sound track of ``file``, from its position on, as pieces of mono s16le at ``rate_hz``.

        Callers, named by ``caller``, get their turns in a fair order. Closing the iterator stops the work. Raises
        `InvalidRequest` with param ``file`` for a file without sound, above a limit, or that crashes the decoder;
        `Overloaded` when too many files wait, or this one waited too long; `Unsupported` when a library is
        missing; `ProviderUnavailable` when no decoder starts, or when it ends for another reason.
        """
        ...


async def decoded(pieces: AsyncGenerator[bytes]) -> bytes:
    """Return all pieces as one; an error or a cancellation stops the decoding."""
    whole = io.BytesIO()  # unlike a list or a bytearray it returns its bytes without a copy
    async with aclosing(pieces):
        async for piece in pieces:
            whole.write(piece)
    return whole.getvalue()

"""Embedding: texts as vectors whose directions are close when the texts mean the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from antiphon.entities.capabilities import Capabilities

DIMENSIONS = 384
"""Length of every vector."""


class Embedding(Protocol):
    """Turns texts into vectors of length 1; the dot product of two is their similarity.

    Vectors of different engines cannot be compared: keep the name of the engine beside them.
    """

    @property
    def capabilities(self) -> Capabilities: ...

    async def start(self) -> None:
        """Prepare. The model is loaded by the first `embed`: a process that embeds nothing does not hold it."""
        ...

    async def close(self) -> None:
        """Free everything; idempotent."""
        ...

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return one row for each text, in order: shape ``(len(texts), 384)``.

        A text has the same vector alone and among others. Any text is accepted; one longer than the window of the
        model is cut. Raises `WeightsMissing`, `ProviderUnavailable` and `ProviderTimeout`.
        """
        ...

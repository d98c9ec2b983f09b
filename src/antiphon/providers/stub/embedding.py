"""The stub embedding: hashed words, for tests. Texts are similar when they share words. Deterministic."""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from antiphon.entities.capabilities import Capabilities
from antiphon.ports.embedding import DIMENSIONS
from antiphon.ports.engine import EngineContext

_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+")
"""One character of Chinese, Japanese or Korean, or a word of another language."""


class StubEmbedding:
    """Counts the words of a text, each in the place that its checksum selects."""

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities("stub")

    async def start(self) -> None:
        """Nothing to load."""

    async def close(self) -> None:
        """Nothing to free."""

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return one vector for each text; a text without words has a fixed one."""
        vectors = np.zeros((len(texts), DIMENSIONS), np.float32)
        for place, text in enumerate(texts):
            for word in _WORD.findall(text.casefold()) or [""]:
                vectors[place, zlib.crc32(word.encode("utf-8", "replace")) % DIMENSIONS] += 1.0
            vectors[place] /= np.linalg.norm(vectors[place])
        return vectors


def create(context: EngineContext) -> StubEmbedding:
    """Make the engine; it has no settings."""
    del context
    return StubEmbedding()

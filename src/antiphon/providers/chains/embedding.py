"""The chain of embedding, which does not move on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from antiphon.ports.embedding import Embedding
from antiphon.providers.chains.kinds import Chain


class EmbeddingChain(Chain[Embedding]):
    """An `Embedding` of the first engine alone: vectors of different engines cannot be compared."""

    kind = "embedding"

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed with the first engine, even when it fails."""
        return await self._answer(lambda engine: engine.embed(texts), self._engines[:1])

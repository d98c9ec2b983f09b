"""A chain of embedding stays with its first engine."""

from __future__ import annotations

from pathlib import Path

import pytest

from antiphon.errors import WeightsMissing
from antiphon.ports.engine import EngineContext
from antiphon.providers.chains.embedding import EmbeddingChain
from antiphon.providers.minilm import embedding as minilm
from antiphon.providers.stub import embedding as stub


async def test_one_engine_answers_through_its_chain(tmp_path: Path) -> None:
    chain = EmbeddingChain([stub.create(EngineContext(tmp_path))])
    await chain.start()
    assert (await chain.embed(["one", "two"])).shape == (2, 384)
    assert (await chain.embed([])).shape == (0, 384)


async def test_a_failing_engine_is_not_replaced_by_one_of_other_vectors(tmp_path: Path) -> None:
    context = EngineContext(tmp_path, offline=True)
    chain = EmbeddingChain([minilm.create(context), stub.create(context)])
    await chain.start()
    with pytest.raises(WeightsMissing, match="models pull minilm"):
        await chain.embed(["one"])
    await chain.close()

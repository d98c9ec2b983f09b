"""What every `Embedding` promises."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import numpy as np
import pytest

from antiphon.ports.embedding import DIMENSIONS, Embedding
from antiphon.providers.registry import load
from tests.conformance.recognisers import context

WEIGHTS = {"stub": "", "minilm": "minilm"}
NAMES = [pytest.param(name, marks=pytest.mark.engines(weights) if weights else ()) for name, weights in WEIGHTS.items()]
TEXTS = [
    "I live in Lisbon with two cats.",
    "",
    " \t\n",
    "\0",
    "a\0b",
    "x" * 10_000,
    "word " * 2_000,
    "!?",
    "🎉👩\u200d👩\u200d👧",
    "私はリスボンに住んでいます。",
    "Ich wohne in Köln.",
    "half a character \ud83c",
    "I live in Lisbon with two cats.",
]


@pytest.fixture(params=NAMES)
async def engine(request: pytest.FixtureRequest) -> AsyncIterator[Embedding]:
    made = load("embedding", [request.param], context())
    await made.start()
    yield made
    await made.close()


async def test_any_text_has_a_vector_of_length_one(engine: Embedding) -> None:
    vectors = await engine.embed(TEXTS)
    assert (vectors.shape, vectors.dtype) == ((len(TEXTS), DIMENSIONS), np.float32)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1.0, abs=1e-5)


async def test_no_text_has_no_vector(engine: Embedding) -> None:
    vectors = await engine.embed([])
    assert (vectors.shape, vectors.dtype) == ((0, DIMENSIONS), np.float32)


async def test_a_text_has_the_same_vector_alone_among_others_and_in_its_place(engine: Embedding) -> None:
    together = await engine.embed(TEXTS)
    alone = np.vstack([await engine.embed([text]) for text in TEXTS])
    assert np.abs(together - alone).max() < 1e-3
    assert np.array_equal(await engine.embed(TEXTS[::-1]), together[::-1])


async def test_many_callers_at_once_get_their_own_vectors(engine: Embedding) -> None:
    texts = [f"caller number {number} likes the number {number * 7}" for number in range(30)]
    alone = await engine.embed(texts)
    together = await asyncio.gather(*(engine.embed([text, texts[0]]) for text in texts))
    assert np.abs(np.stack(together)[:, 0] - alone).max() < 1e-3
    assert all(np.allclose(pair[1], alone[0], atol=1e-3) for pair in together)


async def test_a_caller_that_gives_up_leaves_the_others_alone(engine: Embedding) -> None:
    expected = await engine.embed(TEXTS[:1])
    leaving = asyncio.create_task(engine.embed(["word " * 500] * 20))
    staying = asyncio.create_task(engine.embed(TEXTS[:1]))
    await asyncio.sleep(0)
    leaving.cancel()
    assert np.allclose(await staying, expected, atol=1e-3)


async def test_a_text_is_closer_to_one_that_shares_its_words_than_to_another(engine: Embedding) -> None:
    query, near, far = await engine.embed(["my sister lives in Oslo", "Oslo is where my sister lives", "buy ten eggs"])
    assert query @ near > query @ far + 0.2


async def test_it_says_what_it_is_and_closes_twice(engine: Embedding) -> None:
    assert engine.capabilities.name in WEIGHTS
    await engine.close()
    await engine.close()

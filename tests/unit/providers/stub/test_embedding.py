"""The stub embeds words by their checksums."""

from __future__ import annotations

from pathlib import Path

import pytest

from antiphon.ports.engine import EngineContext
from antiphon.providers.stub import embedding

CONTEXT = EngineContext(Path())


async def test_shared_words_make_texts_similar_and_their_order_and_case_do_not_count() -> None:
    one, same, half, other = await embedding.create(CONTEXT).embed(["red cat", "CAT, red!", "red dog", "ten eggs"])
    assert one @ same == pytest.approx(1.0)
    assert one @ half == pytest.approx(0.5)
    assert one @ other == pytest.approx(0.0)


async def test_texts_without_spaces_are_compared_by_their_characters() -> None:
    one, near, far = await embedding.create(CONTEXT).embed(["東京に住む", "東京の猫", "卵を買う"])
    assert one @ near > one @ far


async def test_the_vector_of_a_word_is_fixed() -> None:
    (vector,) = await embedding.create(CONTEXT).embed(["hello"])
    assert vector.argmax() == 0x3610A686 % 384

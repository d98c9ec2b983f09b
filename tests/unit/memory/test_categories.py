"""What words are about, by their form."""

from __future__ import annotations

import pytest

from antiphon.memory.categories import category_of


@pytest.mark.parametrize(("text", "category"), [
    ("I really like green tea", "preference"),
    ("my favourite colour is blue", "preference"),
    ("I don\N{RIGHT SINGLE QUOTATION MARK}t like coffee", "preference"),
    ("We always eat at seven", "habit"),
    ("Every morning there is a walk", "habit"),
    ("I went to Rome", "history"),
    ("Yesterday it rained", "history"),
    ("I'm a nurse", "personality"),
    ("the sky is blue", "context"),
    ("ich mag Tee", "context"),
    ("", "context"),
])  # fmt: skip
def test_the_form_of_words_chooses_their_category(text: str, category: str) -> None:
    assert category_of(text) == category

"""Counting tokens without a tokenizer."""

from __future__ import annotations

from antiphon.text.tokens import estimate_tokens


def test_estimates_are_near_and_never_negative() -> None:
    assert estimate_tokens("") == 0
    assert 9 <= estimate_tokens("The quick brown fox jumps over the lazy dog.") <= 12
    assert estimate_tokens("2025") == 4
    assert estimate_tokens("你好", bytes_per_token=1) == 6
    assert estimate_tokens("\ud800") >= 1

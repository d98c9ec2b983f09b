"""Counting a model's tokens without its tokenizer."""

from __future__ import annotations

import math
import re

_WORD = re.compile(r"[A-Za-z]+")


def estimate_tokens(text: str, *, bytes_per_token: float = 2.0) -> int:
    """Estimate tokens on the high side, without a tokenizer.

    A word of up to six letters and every digit and sign count as one; other scripts by their UTF-8 bytes, of
    which large vocabularies put two or more into a token and small ones a single one.
    """
    words = _WORD.findall(text)
    letters = sum(map(len, words))
    plain = sum(map(str.isascii, text))
    signs = plain - letters - text.count(" ")
    others = len(text.encode(errors="replace")) - plain
    return sum(map(_word_tokens, words)) + signs + math.ceil(others / bytes_per_token)


def _word_tokens(word: str) -> int:
    """Long words are rare ones, or none: names, compounds, keys."""
    return 1 + len(word) // 7 if len(word) < 16 else len(word) // 2

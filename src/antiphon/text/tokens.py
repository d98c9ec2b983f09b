"""Estimates the number of tokens of a text."""

from __future__ import annotations

import math
import re

_WORD = re.compile(r"[A-Za-z]+")


def estimate_tokens(text: str, *, bytes_per_token: float = 2.0) -> int:
    """Estimate tokens on the high side, without a tokenizer.

    A word of up to six letters, and every digit and sign, counts as one. Other scripts are counted by UTF-8 bytes:
    large vocabularies have two or more bytes per token, small ones one.
    """
    words = _WORD.findall(text)
    letters = sum(map(len, words))
    plain = sum(map(str.isascii, text))
    signs = plain - letters - text.count(" ")
    others = len(text.encode(errors="replace")) - plain
    return sum(map(_word_tokens, words)) + signs + math.ceil(others / bytes_per_token)


def _word_tokens(word: str) -> int:
    """Long words are names, compounds or keys, which need more tokens."""
    return 1 + len(word) // 7 if len(word) < 16 else len(word) // 2

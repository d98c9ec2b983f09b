"""What a text's letters tell: the language, where a script has one for the most part, and where spaces go."""

from __future__ import annotations

import re

_SCRIPTS = (
    ("ja", re.compile(r"[\u3040-\u30ff]")),
    ("ko", re.compile(r"[\uac00-\ud7af\u1100-\u11ff]")),
    ("zh", re.compile(r"[\u3400-\u9fff]")),
    ("hi", re.compile(r"[\u0900-\u097f]")),
    ("bn", re.compile(r"[\u0980-\u09ff]")),
    ("pa", re.compile(r"[\u0a00-\u0a7f]")),
    ("gu", re.compile(r"[\u0a80-\u0aff]")),
    ("ta", re.compile(r"[\u0b80-\u0bff]")),
    ("te", re.compile(r"[\u0c00-\u0c7f]")),
    ("th", re.compile(r"[\u0e00-\u0e7f]")),
    ("ka", re.compile(r"[\u10a0-\u10ff]")),
    ("am", re.compile(r"[\u1200-\u137f]")),
    ("ar", re.compile(r"[\u0600-\u06ff]")),
    ("he", re.compile(r"[\u0590-\u05ff]")),
    ("el", re.compile(r"[\u0370-\u03ff]")),
    ("hy", re.compile(r"[\u0530-\u058f]")),
    ("ru", re.compile(r"[\u0400-\u04ff]")),
)


_UNSPACED = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3000-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]"
)


def is_unspaced(character: str) -> bool:
    """Say whether a character is of a script without spaces between words: Thai, Lao, Burmese, Khmer, kana, Han."""
    return bool(_UNSPACED.match(character))


def continuation(before: str, text: str) -> str:
    """Return ``text`` so that it goes on behind ``before``: with a space where its script has them."""
    words = text.strip()
    if not before or not words or before[-1].isspace() or (is_unspaced(before[-1]) and is_unspaced(words[0])):
        return words
    return f" {words}"


def language_of_script(text: str) -> str | None:
    """Return an ISO 639-1 code when ``text`` is not in Latin letters, else None.

    A guess: Cyrillic counts as Russian, Arabic letters as Arabic, Han without kana as Chinese.
    """
    return next((language for language, letters in _SCRIPTS if letters.search(text)), None)

"""What of a text a voice should say: no signs of layout, no pictures, no control characters."""

from __future__ import annotations

import re
import unicodedata

_LINE_MARK = re.compile(r"^\s*(?:#{1,6}|[-*+•>])\s+")
_LINK = re.compile(r"!?\[([^\]]*)\]\([^)\s]*\)")
_EMPHASIS = re.compile(r"(?<!\w)[*_~]+(?=\S)|(?<=\S)[*_~]+(?!\w)|[`|]+")
_SPACE = re.compile(r"\s+")
_SILENT_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "So", "Sk"})
_JOINERS = "\u200c\u200d"
"""Format characters that shape words in Persian and Hindi."""


def speakable(sentence: str) -> str:
    """Return ``sentence`` without markup, emoji and control characters; empty when nothing can be said.

    Something can be said when there is a letter or a digit.
    """
    text = _LINK.sub(r"\1", _LINE_MARK.sub("", sentence))
    text = _EMPHASIS.sub("", text)
    text = "".join(" " if _is_silent(sign) else sign for sign in text)
    text = _SPACE.sub(" ", text).strip()
    return text if any(sign.isalnum() for sign in text) else ""


def _is_silent(sign: str) -> bool:
    return sign not in _JOINERS and sign != "°" and unicodedata.category(sign) in _SILENT_CATEGORIES

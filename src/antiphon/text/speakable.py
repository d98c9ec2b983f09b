"""What of a text a voice should say: no signs of layout, no pictures, no control characters."""

from __future__ import annotations

import re
import unicodedata

from antiphon.text.languages import base_language
from antiphon.text.leagues import spell_leagues

_LINE_MARK = re.compile(r"^\s*(?:(?:#{1,6}|[-*+•>])\s+)+")
_LINK = re.compile(r"!?\[([^\[\]]*)\]\([^)\s\[]*\)")
"""No address has a bracket: one that is not closed is looked for as far as the next link only."""
_EMPHASIS = re.compile(r"(?<!\w)[*_~]+(?=\S)|(?<=\S)[*_~]+(?!\w)|[`|]+")
_SPACE = re.compile(r"\s+")
_SILENT_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "So", "Sk"})
_JOINERS = "\u200c\u200d"
"""Format characters that shape words in Persian and Hindi."""

_MOST_LAYERS = 8
"""Marks within marks that are taken away: a text may be nothing else."""
_PLAIN_MARKS = str.maketrans(
    dict.fromkeys("“”„‟«»", '"') | dict.fromkeys("‘’‚‛", "'") | dict.fromkeys("‐‑‒–", "-") | {"—": " - ", "…": "..."}
)
_BEFORE_NAMES = {
    "Mr": "Mister",
    "Mrs": "Missus",
    "Dr": "Doctor",
    "Prof": "Professor",
    "Rev": "Reverend",
    "Hon": "Honorable",
    "Gov": "Governor",
    "Sen": "Senator",
    "Rep": "Representative",
    "Gen": "General",
    "Col": "Colonel",
    "Capt": "Captain",
    "Lt": "Lieutenant",
    "Sgt": "Sergeant",
}
_AFTER_NAMES = {"Jr": "Junior", "Sr": "Senior"}
_TITLE = re.compile(rf"\b({'|'.join(_BEFORE_NAMES)})\.(?=\s+[A-Z])|\b({'|'.join(_AFTER_NAMES)})\.(?!\w)")
_SCORE = re.compile(r"(?<![\w.,:/-])(\d{1,3})-(\d{1,3})(?![\w:/]|[-.,]\d)")
_BETWEEN_SCORES = {"en": "to", "es": "a", "pt": "a", "it": "a", "fr": "à", "de": "zu"}


def speakable(sentence: str) -> str:
    """Return ``sentence`` without markup, emoji and control characters; empty when nothing can be said.

    Something can be said when there is a letter or a digit.
    """
    text = _LINK.sub(r"\1", _LINE_MARK.sub("", sentence))
    text = _EMPHASIS.sub("", text)
    text = "".join(" " if _is_silent(sign) else sign for sign in text)
    text = _SPACE.sub(" ", text).strip()
    return text if any(sign.isalnum() for sign in text) else ""


def speech_text(text: str, language: str) -> str:
    """Return `speakable` text as a voice of ``language`` should read it; empty when nothing can be said.

    Typographic marks become ASCII, leagues are spelled, scores are said (``15-12``: "15 to 12" and likewise in the
    languages of `_BETWEEN_SCORES`; elsewhere they stay), and English titles are written out (``Dr. Ruiz``).
    """
    text = text.translate(_PLAIN_MARKS)
    for _ in range(_MOST_LAYERS):  # what is taken away may lay bare another mark
        cleaned, text = text, speakable(text)
        if cleaned == text:
            break
    spoken = base_language(language)
    if spoken == "en":
        text = _TITLE.sub(lambda match: _BEFORE_NAMES.get(match[1]) or _AFTER_NAMES[match[2]], text)
    if spoken in _BETWEEN_SCORES:
        text = _SCORE.sub(rf"\1 {_BETWEEN_SCORES[spoken]} \2", text)
    return spell_leagues(text)


def _is_silent(sign: str) -> bool:
    return sign not in _JOINERS and sign != "°" and unicodedata.category(sign) in _SILENT_CATEGORIES

"""Prepares text for TTS: removes markup, emoji and control characters."""

from __future__ import annotations

import re
import unicodedata

from antiphon.text.languages import base_language

_LINE_MARK = re.compile(r"^\s*(?:(?:#{1,6}|[-*+•>])\s+)+")
_LINK = re.compile(r"!?\[([^\[\]]*)\]\([^)\s\[]*\)")
"""Without brackets in the address: an unclosed one is searched only up to the next link."""
_EMPHASIS = re.compile(r"(?<!\w)[*_~]+(?=\S)|(?<=\S)[*_~]+(?!\w)|[`|]+")
_SPACE = re.compile(r"\s+")
_SILENT_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "So", "Sk"})
_JOINERS = "\u200c\u200d"
"""Format characters that shape words in Persian and Hindi."""

_MOST_LAYERS = 8
"""Maximum of nested marks that are removed: a text may consist of marks only."""
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
LEAGUES = ("NFL", "NBA", "MLB", "NHL")
"""Sports leagues that are spoken letter by letter."""
_LEAGUE = re.compile(rf"\b(?:{'|'.join(LEAGUES)})\b")
_BETWEEN_SCORES = {"en": "to", "es": "a", "pt": "a", "it": "a", "fr": "à", "de": "zu"}


def speakable(sentence: str) -> str:
    """Return ``sentence`` without markup, emoji and control characters; empty without a letter or a digit."""
    text = _LINK.sub(r"\1", _LINE_MARK.sub("", sentence))
    text = _EMPHASIS.sub("", text)
    text = "".join(" " if _is_silent(sign) else sign for sign in text)
    text = _SPACE.sub(" ", text).strip()
    return text if any(sign.isalnum() for sign in text) else ""


def speech_text(text: str, language: str) -> str:
    """Return `speakable` text for a voice of ``language``; empty if there is nothing to say.

    Typographic marks become ASCII, leagues are spelled, scores are written out (``15-12``: "15 to 12", in the
    languages of `_BETWEEN_SCORES`), and so are English titles (``Dr. Ruiz``).
    """
    text = text.translate(_PLAIN_MARKS)
    for _ in range(_MOST_LAYERS):  # removing a mark may expose another one
        cleaned, text = text, speakable(text)
        if cleaned == text:
            break
    spoken = base_language(language)
    if spoken == "en":
        text = _TITLE.sub(lambda match: _BEFORE_NAMES.get(match[1]) or _AFTER_NAMES[match[2]], text)
    if spoken in _BETWEEN_SCORES:
        text = _SCORE.sub(rf"\1 {_BETWEEN_SCORES[spoken]} \2", text)
    return spell_leagues(text)


def spell_leagues(text: str) -> str:
    """Write ``NFL`` as ``N F L``.

    Not as ``N.F.L.``: a later `Splitter` would take the last stop for the end of a sentence.
    """
    return _LEAGUE.sub(lambda match: " ".join(match[0]), text)


def _is_silent(sign: str) -> bool:
    return sign not in _JOINERS and sign != "°" and unicodedata.category(sign) in _SILENT_CATEGORIES

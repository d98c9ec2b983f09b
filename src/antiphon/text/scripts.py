"""Derives the language and the use of spaces from the script of a text's letters."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter

_WRITTEN_IN = {
    "LATIN": (),
    "CYRILLIC": ("ru", "uk", "bg", "be", "sr", "mk", "kk", "ky", "tt", "mn", "tg", "uz", "ba", "cv", "bs", "az", "nog"),
    "GREEK": ("el", "grc"),
    "ARABIC": ("ar", "fa", "ur", "sd", "ps", "ug", "ku", "ckb", "ms", "pa", "az", "kk"),
    "HEBREW": ("he", "yi"),
    "DEVANAGARI": ("hi", "mr", "ne", "sa", "kok", "bho", "mai", "sd"),
    "BENGALI": ("bn", "as", "bpy"),
    "GURMUKHI": ("pa",),
    "GUJARATI": ("gu",),
    "ORIYA": ("or",),
    "TAMIL": ("ta",),
    "TELUGU": ("te",),
    "KANNADA": ("kn",),
    "MALAYALAM": ("ml",),
    "SINHALA": ("si",),
    "THAANA": ("dv",),
    "THAI": ("th",),
    "LAO": ("lo",),
    "KHMER": ("km",),
    "MYANMAR": ("my", "shn"),
    "TIBETAN": ("bo", "dz"),
    "GEORGIAN": ("ka",),
    "ARMENIAN": ("hy", "hyw"),
    "ETHIOPIC": ("am", "ti"),
    "CHEROKEE": ("chr",),
    "HANGUL": ("ko",),
    "KANA": ("ja",),
    "HAN": ("zh", "ja", "yue", "hak", "ko"),
}
"""Languages by the Unicode name of their script, the most likely first."""

_UNICODE_NAMES = {
    "CJK": "HAN",
    "IDEOGRAPHIC": "HAN",
    "BOPOMOFO": "HAN",
    "HIRAGANA": "KANA",
    "KATAKANA": "KANA",
}
_SYLLABLES = 2
"""Letters of an alphabet that one Han character, kana or Hangul block counts for, when scripts are compared."""

UNKNOWN = "und"
"""BCP 47 code for the language of an unknown script."""


UNSPACED = (
    r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3000-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uffef"
    r"\U00020000-\U0003ffff"
)
"""Characters of scripts without spaces between words, as a character class of a regular expression."""
_UNSPACED = re.compile(f"[{UNSPACED}]")


def is_unspaced(character: str) -> bool:
    """Say whether a script has no spaces between words: Thai, Lao, Burmese, Khmer, kana, Han."""
    return bool(_UNSPACED.match(character))


def continuation(before: str, text: str) -> str:
    """Return ``text`` as a continuation of ``before``: with a space if its script uses them."""
    words = text.strip()
    if not before or not words or before[-1].isspace() or (is_unspaced(before[-1]) and is_unspaced(words[0])):
        return words
    return f" {words}"


def languages_of_script(text: str) -> tuple[str, ...]:
    """Return the ISO 639 codes of languages written in the script of most letters of ``text``, the likeliest first.

    Empty for Latin letters, which many languages share, and for a text without letters. Only `UNKNOWN` for an unknown
    script.
    """
    if text.isascii():
        return ()
    letters = Counter(filter(str.isalpha, unicodedata.normalize("NFKC", text)))
    amounts: Counter[str] = Counter()
    for letter, times in letters.items():
        amounts[_script(letter)] += times
    if amounts["KANA"]:
        amounts["KANA"] += amounts.pop("HAN", 0)
    for script in ("KANA", "HAN", "HANGUL"):
        amounts[script] *= _SYLLABLES
    script = max(amounts, key=lambda one: (amounts[one], one == "LATIN"))
    return _WRITTEN_IN.get(script, (UNKNOWN,)) if amounts[script] else ()


def language_of_script(text: str) -> str | None:
    """Return an ISO 639 code if most of ``text`` is not in Latin letters, else None.

    A guess: Cyrillic counts as Russian, Arabic letters as Arabic, Han without kana as Chinese.
    """
    likeliest = next(iter(languages_of_script(text)), None)
    return None if likeliest == UNKNOWN else likeliest


def _script(letter: str) -> str:
    name = re.split("[ -]", unicodedata.name(letter, ""), maxsplit=1)[0]
    return _UNICODE_NAMES.get(name, name)

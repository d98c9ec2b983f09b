"""What a text's letters tell: the language, where a script has one for the most part, and where spaces go."""

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
"""By the script's name in Unicode: languages written in it, first the one that is meant where nobody says which."""

_UNICODE_NAMES = {
    "CJK": "HAN",
    "IDEOGRAPHIC": "HAN",
    "BOPOMOFO": "HAN",
    "HIRAGANA": "KANA",
    "KATAKANA": "KANA",
}
_SYLLABLES = 2
"""How many letters of an alphabet one Han character, kana or Hangul block stands for, when scripts are compared."""

UNKNOWN = "und"
"""The language of a script of which no language is known, as BCP 47 names it."""


UNSPACED = (
    r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3000-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uffef"
    r"\U00020000-\U0003ffff"
)
"""Characters, as a regular expression has them between brackets, of scripts without spaces between words."""
_UNSPACED = re.compile(f"[{UNSPACED}]")


def is_unspaced(character: str) -> bool:
    """Say whether a character is of a script without spaces between words: Thai, Lao, Burmese, Khmer, kana, Han."""
    return bool(_UNSPACED.match(character))


def continuation(before: str, text: str) -> str:
    """Return ``text`` so that it goes on behind ``before``: with a space where its script has them."""
    words = text.strip()
    if not before or not words or before[-1].isspace() or (is_unspaced(before[-1]) and is_unspaced(words[0])):
        return words
    return f" {words}"


def languages_of_script(text: str) -> tuple[str, ...]:
    """Return the ISO 639 codes of languages that most letters of ``text`` may be of, the likeliest first.

    Empty for Latin letters, which many languages share, and for a text without letters. `UNKNOWN` alone for a script
    that is not known here.
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
    """Return an ISO 639 code when ``text`` is for the most part not in Latin letters, else None.

    A guess: Cyrillic counts as Russian, Arabic letters as Arabic, Han without kana as Chinese.
    """
    likeliest = next(iter(languages_of_script(text)), None)
    return None if likeliest == UNKNOWN else likeliest


def _script(letter: str) -> str:
    name = re.split("[ -]", unicodedata.name(letter, ""), maxsplit=1)[0]
    return _UNICODE_NAMES.get(name, name)

"""The alphabet of Kokoro's model, and the mapping of espeak-ng's phonemes to it."""

from __future__ import annotations

import re

MAX_TOKENS = 510
"""The model's context without the pauses at both ends; a voice has one style per length."""

_TOKENS = {
    sign: number
    for first, signs in {
        1: ";:,.!?",
        9: '—…"()“” \u0303ʣʥʦʨᵝ\uab67AI',
        31: "O",
        33: "Q",
        35: "ST",
        39: "W",
        41: "Yᵊabcdef",
        50: "hijklmnopqrstuvwxyzɑɐɒæ",
        75: "βɔɕç",
        80: "ɖðʤə",
        85: "ɚɛɜ",
        90: "ɟ",
        92: "ɡ",
        99: "ɥ",
        101: "ɨɪʝ",
        110: "ɯɰŋɳɲɴø",
        118: "ɸθœ",
        123: "ɹ",
        125: "ɾɻ",
        128: "ʁɽʂʃʈʧ",
        135: "ʊʋ",
        138: "ʌɣɤ",
        142: "χʎ",
        147: "ʒʔ",
        156: "ˈˌː",
        162: "ʰ",
        164: "ʲ",
        169: "↓",
        171: "→↗↘",
        177: "ᵻ",
    }.items()
    for number, sign in enumerate(signs, first)
}

_EVERYWHERE = (("g", "ɡ"), ("r", "ɹ"), ("tʃ", "ʧ"), ("dʒ", "ʤ"), ("ts", "ʦ"), ("dz", "ʣ"))
_ENGLISH = (
    *(("tʃ", "ʧ"), ("dʒ", "ʤ"), ("eɪ", "A"), ("aɪ", "I"), ("ɔɪ", "Y"), ("aʊ", "W")),
    *(("oʊ", "O"), ("əʊ", "Q"), ("ɚ", "əɹ"), ("ɐ", "ə"), ("ɜː", "ɜɹ")),
    *(("ɬ", "l"), ("x", "k"), ("ç", "k"), ("g", "ɡ"), ("r", "ɹ"), ("e", "A"), ("o", "ɔ"), ("a", "æ"), ("ɾ", "T")),
)
_UNKNOWN_MARKS = re.compile(r"\(\w{1,4}\)|[_|^\u200d]")
"""espeak-ng's marks of a language switch, ``(en)``, and its joiners."""


def tokens(ipa: str, language: str) -> list[int]:
    """Return the model's numbers for phonemes of espeak-ng; unknown signs are left out."""
    return [_TOKENS[sign] for sign in _spelling(ipa, language) if sign in _TOKENS][:MAX_TOKENS]


def _spelling(ipa: str, language: str) -> str:
    text = _UNKNOWN_MARKS.sub("", ipa)
    is_english = language.startswith("en")
    for found, written in _ENGLISH if is_english else _EVERYWHERE:
        text = text.replace(found, written)
    if is_english and language != "en-gb":
        text = text.replace("ː", "")
    return text

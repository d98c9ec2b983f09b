"""Word error rate of English texts, after normalisation of the spelling."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from antiphon.text.number_words import NUMBER_WORDS, spell_numbers

_SPOKEN = {
    "mr": "mister",
    "mrs": "missus",
    "dr": "doctor",
    "st": "saint",
    "ok": "okay",
    "vs": "versus",
}
_SIGNS = {"%": " percent ", "&": " and ", "+": " plus ", "=": " equals ", "°": " degrees "}
_MONEY = re.compile(r"([$£€])\s?(\d[\d,]*(?:\.\d+)?)")
_CURRENCIES = {"$": "dollars", "£": "pounds", "€": "euros"}
_NO_WORD = re.compile(r"[^\w' ]+|_")


@dataclass(frozen=True, slots=True)
class WordErrors:
    """Number of wrong words, and of all words."""

    errors: int
    """Words to replace, remove and insert to get from the hypothesis to the reference."""
    words: int
    """Words of the reference."""

    @property
    def rate(self) -> float:
        """Errors per word; with an empty reference, 0.0 for an empty hypothesis, else 1.0."""
        return self.errors / self.words if self.words else float(self.errors > 0)


def word_errors(reference: str, hypothesis: str) -> WordErrors:
    """Count the errors of ``hypothesis``, after `normalise`."""
    expected, heard = normalise(reference), normalise(hypothesis)
    return WordErrors(_distance(expected, heard), len(expected))


def total(parts: Iterable[WordErrors]) -> WordErrors:
    """Add up the errors and words of several texts."""
    counted = list(parts)
    return WordErrors(sum(part.errors for part in counted), sum(part.words for part in counted))


def normalise(text: str) -> list[str]:
    """Return the words as spoken: lower case, no punctuation, numbers and titles written out."""
    text = unicodedata.normalize("NFKC", text).lower().replace("’", "'")
    text = _MONEY.sub(lambda match: f"{match[2]} {_CURRENCIES[match[1]]}", text)
    for sign, word in _SIGNS.items():
        text = text.replace(sign, word)
    words = _NO_WORD.sub(" ", spell_numbers(text)).split()
    spoken = [_SPOKEN.get(word, word).replace("'", "") for word in words]
    return _without_and([word for word in spoken if word])


def _without_and(words: list[str]) -> list[str]:
    """Drop the "and" inside a number: "one hundred and five"."""
    return [
        word
        for place, word in enumerate(words)
        if not (word == "and" and 0 < place < len(words) - 1 and {words[place - 1], words[place + 1]} <= NUMBER_WORDS)
    ]


def _distance(expected: Sequence[str], heard: Sequence[str]) -> int:
    """Return the Levenshtein distance of two lists of words."""
    row = list(range(len(heard) + 1))
    for count, word in enumerate(expected, 1):
        diagonal, row[0] = row[0], count
        for place, other in enumerate(heard, 1):
            diagonal, row[place] = (
                row[place],
                min(row[place] + 1, row[place - 1] + 1, diagonal + (word != other)),
            )
    return row[-1]

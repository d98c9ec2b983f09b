"""Finds answers that repeat the user's words, by English function words."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from antiphon.text.asking import YES_OR_NO, first_word, is_question
from antiphon.text.scripts import UNSPACED

MOST_OVERLAP = 0.7
"""An answer with at least this share of the user's words is an echo."""

_LEAST_SAID = 0.5
"""An echo has at least this share of the words that the user said; a sentence with fewer refers to some of them."""

_SHORT = 3
"""Fewer words than these are an echo only if all are repeated."""

_SURE = 2
"""A sentence that begins with this many new words is not an echo."""

_MOST_SAID = 2_000
"""Characters of the user's words that are compared."""

_WORD = re.compile(rf"[{UNSPACED}]|[^\W_{UNSPACED}]+(?:['’][^\W_{UNSPACED}]+)*")
_SENTENCE_END = re.compile(r"[.!?…]+[\"'”’)]*\s+|[。！？]+|\n+")
_STEM = 4
"""Letters of a word that remain without its ending."""

_ENDINGS = re.compile(rf"(?<=\w{{{_STEM}}})(?:ing|ed|es|s|d)$")
_PERSONS = {
    "i": "you", "me": "you", "we": "you", "us": "you", "my": "your", "our": "your", "mine": "yours", "ours": "yours",
    "myself": "yourself", "am": "are", "i'm": "you're", "we're": "you're", "i've": "you've", "i'd": "you'd",
    "i'll": "you'll", "was": "were",
}  # fmt: skip
"""Words of the first and second person, which differ between the two sides of a conversation."""


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_OPENERS = _set("ah aha hm hmm mean okay oh ok right said say saying so well wow yeah yes you your you're")
"""Words before the user's words that do not make them an answer: "So you said: …"."""

_SMALL = _set(
    "a an and are as at be been but by did do does for from had has have here in is it it's its of on or so that"
    " that's the there there's these this those to were will with would you your"
)
"""Function words, which are ignored in a question."""

_COURTESIES = frozenset({
    "bye", "bye bye", "good afternoon", "good day", "good evening", "good morning", "good night", "goodbye", "hello",
    "hey", "hi", "hi there", "hello there", "see you", "thank you", "thanks", "welcome",
})  # fmt: skip
"""Polite phrases, which are normally repeated."""


def overlap(said: str, answer: str) -> float:
    """Return the share of the distinct words of ``answer`` that are in ``said``, 0 to 1."""
    return _share(_words(said), _words(answer))


def is_echo(said: str, sentence: str) -> bool:
    """Say whether ``sentence`` repeats ``said``: the words of a statement, or a question.

    Ignores case, signs, endings of words, persons ("my" for "your") and words that lead up to the repetition.
    """
    ours, theirs = _keys(said), _led(_keys(sentence), said)
    if not theirs or not ours:
        return False
    if len(ours) < _SHORT:
        return ours == theirs and not _is_courtesy(said)
    if _share(ours, theirs) < MOST_OVERLAP or _share(theirs, ours) < _LEAST_SAID:
        return False
    if not is_question(said):
        return True
    adds = any(key not in ours and key not in _SMALL for key in theirs)
    is_choice = first_word(said) in YES_OR_NO or "or" in ours or "which" in ours
    return not adds and (not is_choice or sentence.rstrip().endswith("?"))


class EchoFilter:
    """Removes sentences that repeat ``said`` from a streamed answer.

    A sentence is held while most of its words are those of ``said``; others pass from their first word on. For a
    question the words must be in the same order: its answers have the same words in another order.
    """

    def __init__(self, said: str) -> None:
        self._said = said[:_MOST_SAID]
        self._is_asked = is_question(self._said)
        self._order = [] if _is_courtesy(self._said) else _keys(self._said)
        self._keys = frozenset(self._order)
        persons = (word for word, other in _PERSONS.items() if other in self._keys)
        self._forms = (*self._keys, *persons, *_OPENERS)
        """Known words, with which an incomplete word is compared."""
        self._line = ""
        """The current sentence so far."""
        self._passed = 0
        self.has_passed = False
        """Whether a part of the answer was returned."""
        self.has_withheld = False
        """Whether a part of it was removed."""

    def feed(self, text: str) -> str:
        """Add a part of the answer; return the text that passes."""
        self._line += text
        passed = ""
        while end := _SENTENCE_END.search(self._line):
            passed += self._over(end.end())
        if self._line and (self._passed or not self._may_be_echo()):
            passed += self._line[self._passed :]
            self._passed = len(self._line)
        return self._noted(passed)

    def flush(self) -> str:
        """End the answer: return its held text unless it is an echo."""
        return self._noted(self._over(len(self._line)))

    def _over(self, end: int) -> str:
        sentence, passed = self._line[:end], self._passed
        self._line, self._passed = self._line[end:], 0
        if not passed and is_echo(self._said, sentence):
            self.has_withheld = True
            return ""
        return sentence[passed:]

    def _noted(self, passed: str) -> str:
        self.has_passed = self.has_passed or bool(passed.strip())
        return passed

    def _may_be_echo(self) -> bool:
        words = _words(self._line)
        while words and words[0] in _OPENERS and words[0] not in self._keys:
            del words[0]
        if not words or not self._keys:
            return bool(self._keys)
        is_open = self._line[-1].isalnum()
        known = [self._is_known(word, is_open and at == len(words)) for at, word in enumerate(words, 1)]
        if self._is_asked:
            return all(known) and all(map(self._is_next, words, self._order)) and len(words) <= len(self._order)
        new = known.count(False)
        if new and all(word in _SMALL for word, is_known in zip(words, known, strict=True) if is_known):
            return False
        return known[0] and (new < _SURE or new <= (1 - MOST_OVERLAP) * len(known))

    def _is_next(self, word: str, key: str) -> bool:
        """Say whether a word, maybe incomplete, is the next word of ``said``."""
        return _key(word) == key or key.startswith(word) or word.startswith(key)

    def _is_known(self, word: str, is_open: bool) -> bool:
        if _key(word) in self._keys:
            return True
        forms = self._forms if is_open else ()
        return any(form.startswith(word) or (len(form) >= _STEM and word.startswith(form)) for form in forms)


def _is_courtesy(said: str) -> bool:
    return " ".join(_words(said)) in _COURTESIES


def _words(text: str) -> list[str]:
    return [word.casefold().replace("’", "'") for word in _WORD.findall(text)]


def _keys(text: str) -> list[str]:
    return [_key(word) for word in _words(text)]


def _key(word: str) -> str:
    return _ENDINGS.sub("", _PERSONS.get(word, word))


def _share(known: Iterable[str], words: Sequence[str]) -> float:
    return (Counter(words) & Counter(known)).total() / len(words) if words else 0.0


def _led(keys: list[str], said: str) -> list[str]:
    """Remove the words that lead up to words of ``said``."""
    ours = _keys(said)
    start = next((at for at, key in enumerate(keys) if key not in _OPENERS or key in ours), len(keys))
    return keys[start:]

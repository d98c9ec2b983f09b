"""Joins a continuation to a text, without the words of the text that the continuation repeats."""

from __future__ import annotations

import re
from dataclasses import dataclass

from antiphon.text.scripts import UNSPACED, is_unspaced

_WORD = re.compile(rf"[{UNSPACED}]|[^\W_{UNSPACED}]+")
_MARKS = re.compile(r"[^\w\s]*")
_ELLIPSIS = re.compile(r"\s*(?:\.{3}|…)\s*")
"""Before the first word it only marks a continuation."""
_GLUED = frozenset(".,;:!?…)]}%”’»")
"""Signs without a space before them."""
_OPENERS = frozenset("([{<“‘„«¿¡$€£#@/\n")
"""Signs without a space after them."""
_MOST_WORDS = 200
"""A repeated end is searched in this many last words; a repetition of the whole text has no limit."""
_SURE = 3
"""This many equal words in a row are a repetition, even if other signs follow them."""


@dataclass(frozen=True, slots=True)
class _Unit:
    """A word of the continuation."""

    word: str
    begin: int
    end: int
    marks: str
    """Signs directly after it."""


class Seam:
    """Removes words from a continuation of ``said`` that repeat its end or all of it, and sets the space between.

    Words are compared without case. The last word of ``said`` may be incomplete if nothing follows it. Text that may
    be a repetition is held back.
    """

    def __init__(self, said: str) -> None:
        words = list(_WORD.finditer(said))
        self._said = said
        self._words = [word[0].casefold() for word in words]
        self._last = words[-1][0] if words else ""
        self._marks = said[words[-1].end() :] if words else said
        first = max(0, len(words) - _MOST_WORDS)
        self._places = [*range(min(1, first)), *range(first, len(words))]
        """Indexes of words of ``said`` where the repetition may have begun."""
        self._held = ""
        self._at = 0
        self._matched = 0
        self._behind: int | None = None
        """Position in the held text where the new text begins, if known."""
        self._is_open = bool(said)

    def feed(self, text: str) -> str:
        """Add a part of the continuation; return the text that is certainly new."""
        if not self._is_open:
            return text
        self._held += text
        return self._decide(is_over=False)

    def flush(self) -> str:
        """End the continuation: return the new part of the held text."""
        return self._decide(is_over=True) if self._is_open else ""

    def _decide(self, *, is_over: bool) -> str:
        while self._places and (unit := self._next(is_over=is_over)) is not None:
            self._match(unit)
        if not self._held or (self._places and not is_over):
            return ""
        self._is_open = False
        return self._joined() if self._behind is None else self._rest(self._behind)

    def _next(self, *, is_over: bool) -> _Unit | None:
        """Return the next complete word."""
        found = _WORD.search(self._held, self._at)
        if found is None:
            return None
        marks = _MARKS.match(self._held, found.end())
        assert marks is not None  # noqa: S101 -- the pattern also matches an empty text
        if marks.end() == len(self._held) and not is_over:
            return None
        return _Unit(found[0], found.start(), found.end(), marks[0])

    def _match(self, unit: _Unit) -> None:
        at = self._matched
        places = [place for place in self._places if self._is_same(place + at, unit.word)]
        self._matched += 1
        self._at = unit.end
        if any(place + self._matched == len(self._words) for place in places):
            behind = self._end(unit)
            self._behind = self._behind if behind is None else behind
        self._places = [place for place in places if place + self._matched < len(self._words)]

    def _is_same(self, index: int, word: str) -> bool:
        known, word = self._words[index], word.casefold()
        is_cut = index == len(self._words) - 1 and not self._marks and len(known) > 1
        return word == known or (is_cut and word.startswith(known))

    def _end(self, unit: _Unit) -> int | None:
        """Return where the new text begins if this is the last word of ``said``; None if it may be another word."""
        signs = self._marks.strip()
        if unit.word.casefold() != self._words[-1]:
            return unit.begin + len(self._last)
        if self._matched == 1 and is_unspaced(self._last):
            return None  # one syllable, which many words repeat
        if unit.marks.startswith(signs):
            return unit.end + len(signs)
        return unit.end + len(unit.marks) if self._matched >= _SURE else None

    def _rest(self, behind: int) -> str:
        rest = self._held[behind:]
        return rest.lstrip() if self._said[-1].isspace() else rest

    def _joined(self) -> str:
        """Return the held text, which is new, with the space before it."""
        text = self._held
        if lead := _ELLIPSIS.match(text):
            text = f" {text[lead.end() :]}"
        before, words = self._said[-1], text.lstrip()
        if before.isspace():
            return words
        if not words or words != text:
            return text
        is_glued = words[0] in _GLUED or before in _OPENERS or (is_unspaced(before) and is_unspaced(words[0]))
        return text if is_glued else f" {text}"

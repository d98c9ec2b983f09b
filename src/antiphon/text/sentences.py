"""Cuts streamed text into pieces to speak.

The cuts depend on the text alone, never on its division into deltas; a delta only decides when a piece is known.
A cut is made as soon as no further text can change it: one sign after a full stop and its space, one word after
an abbreviation.
"""

from __future__ import annotations

import re
import unicodedata
from enum import Enum, auto

from antiphon.text.abbreviations import (
    BEFORE_NUMBERS,
    GERMAN_MONTHS,
    INSIDE_SENTENCES,
    OPENERS,
    PERHAPS_LAST,
)

MAX_CHARACTERS = 200
"""Maximum length of a piece: a cancel may have to wait for the piece in an engine."""

FIRST_CLAUSE_WORDS = 3
"""The first piece may be a clause of this many words, because the listener waits for it."""

_LOOKAHEAD = 40
"""Characters of the following word that a cut may depend on."""

_WINDOW = MAX_CHARACTERS + 2 * _LOOKAHEAD
"""Characters that the next cut can depend on."""

_INK = re.compile(r"\S")
_CLOSERS = "\"'”’»›)\\]}」』）】〉》*_`"
_OPENERS = "\"'“‘«‹([{「『（【〈《*_`„¿¡"
_BREAK = re.compile(
    rf"""
    (?P<newline> [\n\u2028\u2029] )
    | (?P<strong> [。！？｡।॥؟۔።]+ ) [{_CLOSERS}]*          # these signs always end a sentence
    | (?P<stop> [.!?…‼⁇⁈⁉]+ ) [{_CLOSERS}]*
    | (?P<wide_clause> [，、；：،؛—] ) [{_CLOSERS}]*
    | (?P<clause> [,;:] | (?<=\s)[-–] ) [{_CLOSERS}]*
    """,
    re.VERBOSE,
)
_LIST_MARKER = re.compile(r"\(?(?:\d{1,3}|[A-Za-z])[.)]")
_ACRONYM = re.compile(r"(?:[^\W\d_]\.)+[^\W\d_]")
_WORD = re.compile(r"[^\W_]+(?:['’.-][^\W_]+)*")
_LETTERS = re.compile(r"[^\W_]+")
_SYLLABIC = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")


class _Boundary(Enum):
    END = auto()
    CONTINUES = auto()
    UNKNOWN = auto()
    """More text is needed."""


class Splitter:
    """Collects deltas of one answer and returns pieces to speak.

    With ``first_clause`` the first piece is a clause (`FIRST_CLAUSE_WORDS` or more, up to a comma or dash)
    if one ends before the first sentence; all others are sentences. A sentence above `MAX_CHARACTERS` is cut
    after a clause, else between words. Pieces have no space around them, are never empty, and lose no other
    character.
    """

    def __init__(self, *, first_clause: bool = True) -> None:
        self._text = ""
        self._first_clause = first_clause
        self._is_first = first_clause

    def feed(self, delta: str) -> list[str]:
        """Add text; return the pieces that are now certain."""
        self._text += delta
        return self._take(is_over=False)

    def flush(self) -> list[str]:
        """End the text: return the rest, and reset for another answer."""
        pieces = self._take(is_over=True)
        self._text, self._is_first = "", self._first_clause
        return pieces

    def _take(self, *, is_over: bool) -> list[str]:
        pieces: list[str] = []
        start = 0
        while found := _INK.search(self._text, start):
            start = found.start()
            cut = _first_cut(self._text[start : start + _WINDOW], self._is_first, is_over)
            if not cut:
                break
            pieces.append(self._text[start : start + cut].rstrip())
            start += cut
            self._is_first = False
        self._text = self._text[start:] if found else ""  # space alone is no piece, and would be scanned again
        return pieces


def split(text: str) -> list[str]:
    """Cut a whole text into sentences of at most `MAX_CHARACTERS`."""
    splitter = Splitter(first_clause=False)
    return splitter.feed(text) + splitter.flush()


def spoken_words(text: str) -> int:
    """Count words; two signs of a language without spaces count as one."""
    syllables = len(_SYLLABIC.findall(text))
    return len(_WORD.findall(_SYLLABIC.sub(" ", text))) + syllables // 2


def _first_cut(text: str, is_first: bool, is_over: bool) -> int:
    """Return where the first piece of ``text`` ends, 0 if that is still unknown."""
    for match in _BREAK.finditer(text):
        if match.end() > MAX_CHARACTERS:
            break
        boundary = _judge(text, match, is_first, is_over)
        if boundary is _Boundary.END:
            return match.start() if match["newline"] else match.end()
        if boundary is _Boundary.UNKNOWN:
            return 0
    if len(text) > MAX_CHARACTERS:
        return _cut_inside_sentence(text)
    return len(text) if is_over else 0


def _judge(text: str, match: re.Match[str], is_first: bool, is_over: bool) -> _Boundary:
    if match["newline"]:
        return _Boundary.END
    if match.end() == len(text):  # more closers, a decimal or a space may follow
        return _Boundary.END if is_over else _Boundary.UNKNOWN
    if match["strong"]:
        return _Boundary.END
    if match["stop"]:
        return _judge_stop(text, match, is_over)
    has_room = bool(match["wide_clause"]) or text[match.end()].isspace()
    is_clause = is_first and has_room and spoken_words(text[: match.start()]) >= FIRST_CLAUSE_WORDS
    return _Boundary.END if is_clause else _Boundary.CONTINUES


def _judge_stop(text: str, match: re.Match[str], is_over: bool) -> _Boundary:
    """Judge ``.``, ``!``, ``?`` and runs of them: an end if a space and no lower case follows."""
    if not text[match.end()].isspace():
        return _Boundary.CONTINUES
    ahead = text[match.end() : match.end() + _LOOKAHEAD]
    if "\n" in ahead[: len(ahead) - len(ahead.lstrip())]:
        return _Boundary.END
    is_known = is_over or len(ahead) == _LOOKAHEAD
    following = ahead.lstrip().lstrip(_OPENERS)
    if not following:
        return _Boundary.END if is_known else _Boundary.UNKNOWN
    if following[0].islower():
        return _Boundary.CONTINUES
    if match["stop"] != ".":
        return _Boundary.END
    before = text[: match.start()].split()
    word = before[-1].lstrip(_OPENERS).lower() if before else ""
    return _judge_abbreviation(text, match, word, following, is_known)


def _judge_abbreviation(text: str, match: re.Match[str], word: str, following: str, is_known: bool) -> _Boundary:
    if _LIST_MARKER.fullmatch(text[: match.start() + 1]) or word in INSIDE_SENTENCES:
        return _Boundary.CONTINUES
    if word in BEFORE_NUMBERS and following[0].isdigit():
        return _Boundary.CONTINUES
    if len(word) == 1 and word.isalpha() and word != "i" and not _SYLLABIC.match(word):
        return _Boundary.CONTINUES  # an initial: J. K. Rowling
    is_ordinal = len(word) <= 2 and word.isdigit()
    if not is_ordinal and word not in PERHAPS_LAST and not _ACRONYM.fullmatch(word):
        return _Boundary.END
    next_word = _LETTERS.match(following)
    if not is_known and next_word and next_word.end() == len(following):
        return _Boundary.UNKNOWN
    name = next_word[0].lower() if next_word else ""
    if is_ordinal:
        return _Boundary.CONTINUES if name in GERMAN_MONTHS else _Boundary.END
    return _Boundary.END if name in OPENERS else _Boundary.CONTINUES


def _cut_inside_sentence(text: str) -> int:
    """Return where to cut a sentence that is too long: after a clause, else between words, else anywhere."""
    window = text[: MAX_CHARACTERS + 1]
    for pattern in (r"[,;:—،؛](?=\s)|[，、；：]", r"(?=\s)"):
        cuts = [found.end() for found in re.finditer(pattern, window)]
        cut = max((cut for cut in cuts if MAX_CHARACTERS // 3 <= cut <= MAX_CHARACTERS), default=0)
        if cut:
            return cut
    cut = MAX_CHARACTERS
    while cut > MAX_CHARACTERS // 2 and _clings(text, cut):
        cut -= 1
    return cut


def _clings(text: str, cut: int) -> bool:
    """Say whether the character after ``cut`` belongs to the one before it (accents, parts of an emoji)."""
    return unicodedata.category(text[cut])[0] == "M" or "\u200d" in text[cut - 1 : cut + 1]

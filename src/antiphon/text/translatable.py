"""Prepares recognised speech for translation: words for signs, lower case for words in capitals."""

from __future__ import annotations

import re

from antiphon.text.languages import base_language
from antiphon.text.speakable import LEAGUES, spell_leagues


def _words(*lines: str) -> frozenset[str]:
    return frozenset(" ".join(lines).split())


_ADDRESS = re.compile(r"((?:\b\w+://|\bwww\.)\S+|(?<![\w.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)+)")
"""Web and mail addresses, whose signs are kept."""

_NAME_WORD = r"[^\W\d_a-z][\w.'’-]+"
_LABEL = re.compile(rf"(?:>>+ ?)?({_NAME_WORD}(?: {_NAME_WORD}){{0,2}})(?: (?:[A-Z]|\d{{1,2}}))?:(?: |$)")
_FIRST_OF_NO_NAME = _words(
    "a an the this that these those my our your his her its their here there what who how why when where",
)
_LAST_OF_NO_NAME = _words(
    "note notes warning caution attention update alert breaking news headline exclusive important reminder",
    "tip hint example question answer problem solution reason result results summary conclusion remember",
    "fact facts score goal final time date today tonight tomorrow yesterday next finally first second third",
    "however also total address phone subject chapter part step psalm ps p.s listen look wait so yes no ok",
    *(league.lower() for league in LEAGUES),
)
"""Last words before a colon that is not after a speaker: ``Note:``, ``Final Score:``."""

_CLOCK_WORD = re.compile(r"(?<![\w:])(\d{1,2}:\d{2}(?:\.\d+)?) ([A-Z]{2,}(?:['’][A-Z]+)?)(?![\w'’-])")
_KEPT_AFTER_CLOCK = _words(
    "AM PM ET EST EDT CT CST CDT MT MST MDT PT PST PDT GMT UTC BST CET CEST US USA UK EU UN TV",
    "ABC BBC CBS CNN ESPN NBC FBI NASA NCAA UFC VAR MVP",
    *LEAGUES,
)
"""Time zones and abbreviations, which stay in capitals."""

_HYPHEN_WORDS = re.compile(r"\b[A-Z]{2,}(?:-[A-Z]{2,})+\b")
_VERSUS = re.compile(r"\bvs\b\.?", re.IGNORECASE)
_DOLLARS = re.compile(
    r"""
    \$[ ]?(?P<number>\d+(?:,\d{3})*(?:\.\d+)?)
    (?: (?P<suffix>k|mn?|bn?)\b | [ ](?P<power>hundred|thousand|million|billion|trillion)\b )?
    """,
    re.IGNORECASE | re.VERBOSE,
)
_POWERS = {"k": "thousand", "m": "million", "mn": "million", "b": "billion", "bn": "billion"}
_SIGN = re.compile("[&%$@]")
_WORDS = {"&": "and", "%": "percent", "$": "dollars", "@": "at"}


def translatable(text: str, *, language: str, drop_speaker_labels: bool = False) -> str:
    """Return ``text``, spoken in ``language``, for a translation engine; line breaks are kept.

    In English, an upper-case word after a clock time becomes lower case (``1:54 REMAINING``), upper-case words with a
    hyphen are separated (scores such as 15-12 stay), leagues are spelled, and ``vs.``, ``&``, ``%``, ``$`` and ``@``
    become words; addresses are kept. ``drop_speaker_labels`` removes ``Name:`` and ``>> Name:`` from the beginning of
    lines. In other languages only white space is normalised.
    """
    lines = [" ".join(line.split()) for line in text.splitlines()]
    if base_language(language) == "en":
        if drop_speaker_labels:
            lines = [_without_labels(line) for line in lines]
        lines = [_english(line) for line in lines]
    return "\n".join(line for line in lines if line)


def _without_labels(line: str) -> str:
    start = 0
    while label := _LABEL.match(line, start):
        words = label[1].lower().split()
        if words[0] in _FIRST_OF_NO_NAME or words[-1] in _LAST_OF_NO_NAME:
            break
        start = label.end()
    return line[start:]


def _english(line: str) -> str:
    parts = _ADDRESS.split(line)
    parts[::2] = [_in_words(part) for part in parts[::2]]
    return " ".join("".join(parts).split())


def _in_words(text: str) -> str:
    text = _DOLLARS.sub(_dollars, text)  # first: a sign that becomes a word separates its neighbours
    text = _SIGN.sub(lambda match: _apart(match, _WORDS[match[0]]), text)
    text = _HYPHEN_WORDS.sub(lambda match: match[0].replace("-", " "), text)
    text = _CLOCK_WORD.sub(_lowered, text)
    text = spell_leagues(text)
    return _VERSUS.sub(lambda match: _apart(match, "versus"), text)


def _lowered(match: re.Match[str]) -> str:
    time, word = match.groups()
    return match[0] if word in _KEPT_AFTER_CLOCK else f"{time} {word.lower()}"


def _dollars(match: re.Match[str]) -> str:
    power = _POWERS[match["suffix"].lower()] if match["suffix"] else match["power"]
    if power:
        return _apart(match, f"{match['number']} {power} dollars")
    return _apart(match, f"{match['number']} {'dollar' if match['number'] == '1' else 'dollars'}")


def _apart(match: re.Match[str], words: str) -> str:
    """Return ``words`` with a space on each side where a word, or a sign that becomes one, touches the match."""
    before = match.string[max(0, match.start() - 1) : match.start()]
    after = match.string[match.end() : match.end() + 1]
    return f"{_gap(before)}{words}{_gap(after)}"


def _gap(neighbour: str) -> str:
    return " " if not neighbour or neighbour.isalnum() or neighbour in _WORDS else ""

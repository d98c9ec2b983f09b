"""Subtitles: writes cues as SubRip and WebVTT, and splits long ones for reading."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from antiphon.text.scripts import is_unspaced

LINE_COLUMNS = 42
"""Maximum of columns per line, usual in broadcasting for Latin letters. A wide letter takes two."""

LINES = 2
"""Maximum of lines per cue."""

_ARROW = re.compile(r"(?<!-)--+>")
_CLOSERS = "。．、，！？：；」』）】〉》〕’”…・ー"
"""Marks that must not begin a line."""


@dataclass(frozen=True, slots=True)
class Cue:
    """Words on the screen for a time; ``text`` contains the line breaks of the screen."""

    start_ms: int
    end_ms: int
    text: str


def srt(cues: Iterable[Cue]) -> str:
    """Return a SubRip file."""
    blocks = (
        f"{number}\n{_timestamp(cue.start_ms, ',')} --> {_timestamp(cue.end_ms, ',')}\n{_shown(cue.text)}\n"
        for number, cue in enumerate(cues, 1)
    )
    return "\n".join(blocks)


def vtt(cues: Iterable[Cue]) -> str:
    """Return a WebVTT file."""
    blocks = (
        f"{_timestamp(cue.start_ms, '.')} --> {_timestamp(cue.end_ms, '.')}\n{_shown(cue.text)}\n" for cue in cues
    )
    return "\n".join(("WEBVTT\n", *blocks))


def readable(cues: Iterable[Cue]) -> list[Cue]:
    """Return cues of at most `LINES` lines of `LINE_COLUMNS`; long ones are split, empty ones dropped.

    The time of a long cue is divided by the length of the text.
    """
    return [part for cue in cues for part in _parts(cue)]


def _parts(cue: Cue) -> Iterator[Cue]:
    lines = _even_lines(_tokens(cue.text))
    texts = ["\n".join(lines[at : at + LINES]) for at in range(0, len(lines), LINES)]
    total = sum(len(text) for text in texts)
    start_ms, shown = cue.start_ms, 0
    for text in texts:
        shown += len(text)
        end_ms = cue.start_ms + (cue.end_ms - cue.start_ms) * shown // total
        yield Cue(start_ms, end_ms, text)
        start_ms = end_ms


def _even_lines(tokens: list[str]) -> list[str]:
    """Wrap to the fewest lines, as evenly as possible, so that no cue holds only a last word."""
    lines = _wrapped(tokens, LINE_COLUMNS)
    for columns in range(LINE_COLUMNS - 1, LINE_COLUMNS // 2, -1):
        narrower = _wrapped(tokens, columns)
        if len(narrower) > len(lines) or max(map(_columns, narrower), default=0) > columns:
            break
        lines = narrower
    return lines


def _wrapped(tokens: list[str], columns: int) -> list[str]:
    lines: list[str] = []
    line, used = "", 0
    for token in tokens:
        if line and used + _columns(token) > columns:
            lines.append(line)
            line, used = "", 0
        more = token if line else token.lstrip()
        line, used = line + more, used + _columns(more)
    return [*lines, line] if line else lines


def _tokens(text: str) -> list[str]:
    """Return the parts between possible line breaks, each with the space before it: words, or signs of Chinese etc.

    Words that are longer than a line are cut.
    """
    tokens: list[str] = []
    for word in text.split():
        token, space = "", " "
        for sign in word:
            if token and (_is_seam(token[-1], sign) or _columns(token + sign) > LINE_COLUMNS):
                tokens.append(space + token)
                token, space = "", ""
            token += sign
        tokens.append(space + token)
    return tokens


def _is_seam(before: str, sign: str) -> bool:
    """Say whether a line may end between two signs of one word."""
    return (is_unspaced(before) or is_unspaced(sign)) and sign not in _CLOSERS


def _columns(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in text)


def _timestamp(milliseconds: int, comma: str) -> str:
    minutes, milliseconds = divmod(max(0, milliseconds), 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{milliseconds // 1000:02}{comma}{milliseconds % 1000:03}"


def _shown(text: str) -> str:
    """Return the lines without empty ones and arrows, which would end the cue."""
    lines = (" ".join(line.split()) for line in text.splitlines())
    return _ARROW.sub("->", "\n".join(line for line in lines if line))

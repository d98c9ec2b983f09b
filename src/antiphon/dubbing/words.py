"""Separates the spoken words of a transcript from the names of sounds."""

from __future__ import annotations

import re

_AROUND_SOUNDS = {"[": "]", "(": ")", "*": "*", "♪": "♪"}
"""Delimiters of sounds in transcripts: ``[Music]``, ``(applause)``, ``*laughs*``, sung lines between notes."""
_OPENING = re.compile(r"[\[(*♪]")


def spoken_words(transcript: str) -> str:
    """Return the spoken words; empty if there are only names of sounds, notes and punctuation."""
    words = " ".join(_without_sounds(transcript).split())
    return words if any(sign.isalnum() for sign in words) else ""


def _without_sounds(text: str) -> str:
    """Remove the names of sounds; the last sung line needs no closing note."""
    last = {opening: text.rfind(closing) for opening, closing in _AROUND_SOUNDS.items()}
    kept, begin, at = list[str](), 0, 0
    while opening := _OPENING.search(text, at):
        sign, start = opening[0], opening.start()
        at = start + 1
        if start < last[sign]:
            at = text.index(_AROUND_SOUNDS[sign], at) + 1
        elif sign == "♪":
            at = len(text)
        else:  # unpaired; searching for its partner each time would be quadratic
            continue
        kept.append(text[begin:start])
        begin = at
    return " ".join([*kept, text[begin:]])

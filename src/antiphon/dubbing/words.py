"""What of a transcript was said, and what is the name of a sound."""

from __future__ import annotations

import re

_AROUND_SOUNDS = {"[": "]", "(": ")", "*": "*", "♪": "♪"}
"""What a recogniser writes for sounds: ``[Music]``, ``(applause)``, ``*laughs*``, sung lines between notes."""
_OPENING = re.compile(r"[\[(*♪]")


def spoken_words(transcript: str) -> str:
    """Return what of a transcript was said: nothing, where it holds only names of sounds, notes and punctuation."""
    words = " ".join(_without_sounds(transcript).split())
    return words if any(sign.isalnum() for sign in words) else ""


def _without_sounds(text: str) -> str:
    """Leave out what is between signs of sounds; the last line that is sung needs no sign at its end."""
    last = {opening: text.rfind(closing) for opening, closing in _AROUND_SOUNDS.items()}
    kept, begin, at = list[str](), 0, 0
    while opening := _OPENING.search(text, at):
        sign, start = opening[0], opening.start()
        at = start + 1
        if start < last[sign]:
            at = text.index(_AROUND_SOUNDS[sign], at) + 1
        elif sign == "♪":
            at = len(text)
        else:  # it stands alone, and is not looked for behind every other one
            continue
        kept.append(text[begin:start])
        begin = at
    return " ".join([*kept, text[begin:]])

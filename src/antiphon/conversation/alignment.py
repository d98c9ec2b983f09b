"""Finds the words spoken up to a position: whole sentences, then words by their share of characters."""

from __future__ import annotations

import unicodedata

from antiphon.audio.ticks import TICKS_PER_S
from antiphon.conversation.state import Playout, SpokenSentence
from antiphon.text.scripts import is_unspaced

TICKS_PER_CHARACTER = TICKS_PER_S // 15
"""Length of a character before the answer's own pace is known: English is read at 14 to 16 a second."""


def words(playout: Playout, ticks: int) -> str:
    """Return the words spoken within the first ``ticks``; a word that has only begun does not count.

    The engine says where each sentence begins. The length of an incomplete sentence is estimated from the pace of
    those before it.
    """
    text, cursor = playout.text, 0
    spans = playout.spans or [SpokenSentence(text, 0)]
    for index, span in enumerate(spans):
        found = text.find(span.text, cursor)
        begin = found if found >= 0 else cursor
        end = begin + len(span.text)
        until = _end(playout, spans, index)
        if ticks >= until:
            cursor = end
            continue
        share = max(0, ticks - span.start) / max(1, until - span.start)
        return text[: _word_border(text, begin, begin + round(share * len(span.text)))].rstrip()
    return text[:cursor].rstrip()


def _end(playout: Playout, spans: list[SpokenSentence], index: int) -> int:
    """Return where a sentence ends, in ticks: at the next one, at the end of the audio, or at an estimate beyond it."""
    if index + 1 < len(spans):
        return spans[index + 1].start
    last = spans[index]
    if playout.whole >= playout.made:
        return playout.made
    before = sum(len(span.text) for span in spans[:index])
    pace = last.start / before if before else TICKS_PER_CHARACTER
    return max(playout.made, last.start + round(pace * len(last.text)))


def _word_border(text: str, begin: int, offset: int) -> int:
    """Return the last place at or before ``offset`` where a word ends."""
    while begin < offset < len(text) and not _is_border(text, offset):
        offset -= 1
    return min(offset, len(text))


def _is_border(text: str, offset: int) -> bool:
    before, after = text[offset - 1], text[offset]
    if before.isspace() or after.isspace():
        return True
    return is_unspaced(before) and not unicodedata.category(after).startswith("M")

"""Texts that are nothing but beginnings of marks take time in proportion to their length, whatever is done to them."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from antiphon.text.addresses import spell_addresses
from antiphon.text.number_words import spell_numbers
from antiphon.text.sentences import Splitter, split
from antiphon.text.speakable import speakable, speech_text
from antiphon.text.subtitles import Cue, readable, srt, vtt
from antiphon.text.translatable import translatable
from antiphon.text.wer import normalise

Work = Callable[[str], object]


def piecemeal(text: str) -> object:
    """Split a text that comes three characters at a time."""
    splitter = Splitter()
    return [splitter.feed(text[at : at + 3]) for at in range(0, len(text), 3)] + [splitter.flush()]


def shown(text: str) -> object:
    cue = Cue(0, 1000, text)
    return srt([cue]), vtt([cue])


def labelled(text: str) -> str:
    return translatable(text, language="en", drop_speaker_labels=True)


CASES: list[tuple[Work, str]] = [
    (speakable, "[]("),
    (speakable, "![a](b"),
    (lambda text: speech_text("[" * (len(text) // 5) + "x" + "](y)" * (len(text) // 5), "en"), "text "),
    (shown, "-"),
    (shown, "-->"),
    (spell_numbers, "1"),
    (spell_numbers, "1,"),
    (normalise, "$1"),
    (spell_addresses, "a."),
    (spell_addresses, "a@"),
    (spell_addresses, "a-"),
    (spell_addresses, "a://"),
    (spell_addresses, "1.1.1.1/"),
    (piecemeal, " "),
    (piecemeal, "\n"),
    (split, "Dr. "),
    (split, "1,"),
    (labelled, ">> A: "),
    (labelled, "A B C: "),
    (labelled, "w.w@"),
    (labelled, "AB-"),
    (lambda text: readable([Cue(0, 1000, text)]), "日"),
]


@pytest.mark.parametrize("case", range(len(CASES)), ids=lambda number: CASES[number][1])
def test_sixteen_times_the_text_takes_no_square_of_the_time(case: int) -> None:
    work, mark = CASES[case]
    once_s = _shortest_s(work, mark * (1_000 // len(mark)) + "x")
    assert _shortest_s(work, mark * (16_000 // len(mark)) + "x") < 64 * max(once_s, 0.0001), "a square is 256 times"


def _shortest_s(work: Work, text: str) -> float:
    times: list[float] = []
    for _ in range(3):
        begin = time.thread_time()
        work(text)
        times.append(time.thread_time() - begin)
    return min(times)

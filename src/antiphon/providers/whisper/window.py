"""Decisions around Whisper, on numbers and text: which stretches to decode, and whether to believe the result."""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from antiphon.audio.windows import WINDOW_SAMPLES
from antiphon.ports.vad import RATE_HZ
from antiphon.providers.whisper.voice import Hearing

WINDOW_S = WINDOW_SAMPLES / RATE_HZ
LONGEST_S = 27.0
"""Longest stretch decoded at once: Whisper's 30 s less the zeros behind."""

_MAYBE_SPEECH = 0.15
VOICE_ODDS = 2.0
"""Least odds of a stretch in which somebody speaks, between those of noise and of the faintest words: ADR 0004."""
_SPEECH = 0.5
_SPEECH_WINDOWS = 3
_SPEECH_SHARE = 0.3
"""Of the windows from the first to the last sound: in babble and on the radio it is less."""
_REST_WINDOWS = 8
_MARGIN_S = 0.4
"""Audio kept around speech: the detector hears the first and last sounds late."""
_JOIN_S = 2.0
"""Stretches that are closer than this are decoded together."""
_REST_S = 1.0
_PAUSE_S = 1.0
"""After so long a silence somebody else may speak."""
_PART_S = 2.5
"""Of a shorter part the language is a guess."""
_SPARSE_BYTES_PER_S = 5.0
"""People say three times as much in a second of speech, in Chinese as in English, counted as UTF-8."""
_SPARSE_FROM_S = 4.0
_SHORT_PAUSE_S = 0.3
_HOLE_WINDOWS = 16
"""Half a second of speech: the decoder's time codes are a little off."""

_FEWEST_TOKENS = 16
_FEWEST_CHARACTERS = 24
_CHARACTERS_PER_S = 26.0
"""Nobody speaks faster; text that is longer was not in the audio."""
_WORD = re.compile(r"\w+")
_COMPRESSION = 2.4
_REPEATS = 4
_LONGEST_PHRASE = 8


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of a clip, seconds from its start."""

    start_s: float
    end_s: float

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.end_s - self.start_s


@dataclass(frozen=True, slots=True)
class Belief:
    """How sure Whisper is of a text."""

    average_logprob: float
    no_speech_probability: float


def find_speech(hearing: Hearing, duration_s: float) -> list[Stretch]:
    """Return the stretches of a clip where somebody speaks, in order; pauses up to 2 s lie inside one.

    ``hearing`` is that of the clip. Sounds that the detector takes for no voice are left out.
    """
    joined: list[Stretch] = []
    for place, probability in enumerate(hearing.forwards):
        if probability < _MAYBE_SPEECH:
            continue
        start_s = max(0.0, place * WINDOW_S - _MARGIN_S)
        end_s = min(duration_s, (place + 1) * WINDOW_S + _MARGIN_S)
        if joined and start_s - joined[-1].end_s < _JOIN_S:
            joined[-1] = Stretch(joined[-1].start_s, end_s)
        else:
            joined.append(Stretch(start_s, end_s))
    return [stretch for stretch in joined if voice_odds(hearing, stretch) >= VOICE_ODDS]


def voice_odds(hearing: Hearing, stretch: Stretch) -> float:
    """Return the detector's odds that somebody speaks in ``stretch``: 1 is even, 9 is a probability of 90 %."""
    return hearing.odds(int(stretch.start_s / WINDOW_S), math.ceil(stretch.end_s / WINDOW_S))


def cut_at_pauses(stretch: Stretch, probabilities: Sequence[float]) -> list[Stretch]:
    """Return ``stretch`` in parts that lie between long pauses, none too short to tell its language."""
    parts: list[Stretch] = []
    start_s = stretch.start_s
    for cut_s in _pauses(stretch, probabilities, _PAUSE_S):
        if cut_s - start_s >= _PART_S and stretch.end_s - cut_s >= _PART_S:
            parts.append(Stretch(start_s, cut_s))
            start_s = cut_s
    return [*parts, Stretch(start_s, stretch.end_s)]


def halves(window: Stretch, probabilities: Sequence[float]) -> list[Stretch]:
    """Return ``window`` cut in the pause that lies nearest its middle; nothing where there is none."""
    middle_s = (window.start_s + window.end_s) / 2
    cuts = _pauses(window, probabilities, _SHORT_PAUSE_S)
    inner = [cut_s for cut_s in cuts if window.start_s + _REST_S < cut_s < window.end_s - _REST_S]
    if not inner:
        return []
    cut_s = min(inner, key=lambda cut_s: abs(cut_s - middle_s))
    return [Stretch(window.start_s, cut_s), Stretch(cut_s, window.end_s)]


def _pauses(stretch: Stretch, probabilities: Sequence[float], least_s: float) -> Iterator[float]:
    """Yield the middle of each silence of at least ``least_s`` that speech follows."""
    quiet = 0
    for place in range(int(stretch.start_s / WINDOW_S), int(stretch.end_s / WINDOW_S)):
        if probabilities[place] < _MAYBE_SPEECH:
            quiet += 1
            continue
        if quiet * WINDOW_S >= least_s:
            yield (place - quiet / 2) * WINDOW_S
        quiet = 0


def is_hole(probabilities: Sequence[float], gap: Stretch) -> bool:
    """Say whether the decoder has left out speech between two segments."""
    return _voiced(probabilities, gap) >= _HOLE_WINDOWS


def is_sparse(text: str, probabilities: Sequence[float], window: Stretch) -> bool:
    """Say whether ``text`` is far too little for the speech in ``window``."""
    speech_s = _voiced(probabilities, window) * WINDOW_S
    return speech_s >= _SPARSE_FROM_S and len(text.encode()) < _SPARSE_BYTES_PER_S * speech_s


def _voiced(probabilities: Sequence[float], stretch: Stretch) -> int:
    """Return how many of the detector's windows in ``stretch`` are speech."""
    inside = probabilities[int(stretch.start_s / WINDOW_S) : int(stretch.end_s / WINDOW_S)]
    return sum(probability >= _SPEECH for probability in inside)


def next_window(stretch: Stretch, probabilities: Sequence[float]) -> Stretch:
    """Return what to decode first: all of ``stretch``, or where it is too long, up to its quietest place."""
    if stretch.duration_s <= LONGEST_S:
        return stretch
    first = int((stretch.start_s + LONGEST_S / 2) / WINDOW_S)
    last = min(int((stretch.start_s + LONGEST_S) / WINDOW_S), len(probabilities))
    quietest = min(range(first, last), key=lambda place: sum(probabilities[max(0, place - 2) : place + 3]))
    return Stretch(stretch.start_s, (quietest + 0.5) * WINDOW_S)


def what_is_left(stretch: Stretch, window: Stretch, reached_s: float, probabilities: Sequence[float]) -> Stretch | None:
    """Return what is still to be decoded of ``stretch`` when the text of ``window`` goes up to ``reached_s``.

    The decoder may stop early, e.g. where the language changes; what it left is decoded again if there is speech.
    """
    reached_s = min(max(reached_s, window.start_s + _REST_S), window.end_s)
    rest = probabilities[int(reached_s / WINDOW_S) + 1 : int(window.end_s / WINDOW_S)]
    has_speech = sum(probability >= _SPEECH for probability in rest) >= _REST_WINDOWS
    if window.end_s < stretch.end_s:
        went_far = reached_s > window.start_s + window.duration_s / 2
        return Stretch(reached_s if went_far or has_speech else window.end_s, stretch.end_s)
    return Stretch(reached_s, stretch.end_s) if has_speech and stretch.end_s - reached_s > _REST_S else None


def is_certain_speech(probabilities: Sequence[float], window: Stretch) -> bool:
    """Say whether the detector alone is sure that somebody speaks in ``window``, and not just now and then."""
    inside = probabilities[int(window.start_s / WINDOW_S) : int(window.end_s / WINDOW_S) + 1]
    heard = [place for place, probability in enumerate(inside) if probability >= _MAYBE_SPEECH]
    voiced = sum(probability >= _SPEECH for probability in inside)
    span = heard[-1] - heard[0] + 1 if heard else 0
    return voiced >= max(_SPEECH_WINDOWS, _SPEECH_SHARE * span)


def is_noise(belief: Belief, *, certain_speech: bool) -> bool:
    """Say whether the text was read into noise."""
    if certain_speech:
        floor = -1.2 if belief.no_speech_probability > 0.6 else -1.5
        return belief.average_logprob < floor
    return belief.no_speech_probability > 0.5 or belief.average_logprob < -0.6


def token_limit(duration_s: float, tokens_per_s: float) -> int:
    """Return how many tokens are generated at the most; a text that needs more is taken for a loop."""
    return int(_FEWEST_TOKENS + tokens_per_s * duration_s)


def is_looped(text: str, duration_s: float, *, count_repeats: bool = True) -> bool:
    """Say whether the decoder went round in circles: too long for the time, or the same words again and again.

    People do say "no, no, no, no": without ``count_repeats`` only what is beyond that counts.
    """
    if len(text) > _FEWEST_CHARACTERS + _CHARACTERS_PER_S * duration_s:
        return True
    return _compression(text) > _COMPRESSION or (count_repeats and _repeats(text.lower().split()))


def is_doubled(text: str) -> bool:
    """Say whether the text is one phrase, said twice or more often."""
    words = _WORD.findall(text.lower())
    return any(words == words[:size] * (len(words) // size) for size in range(1, len(words) // 2 + 1))


def _compression(text: str) -> float:
    data = text.encode()
    return len(data) / len(zlib.compress(data)) if data else 0.0


def _repeats(words: Sequence[str]) -> bool:
    """Say whether some phrase stands four times in a row."""
    for size in range(1, min(_LONGEST_PHRASE, len(words) // _REPEATS) + 1):
        run = 0
        for place in range(size, len(words)):
            run = run + 1 if words[place] == words[place - size] else 0
            if run >= size * (_REPEATS - 1):
                return True
    return False

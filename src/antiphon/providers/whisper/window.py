"""Decisions around Whisper, on numbers and text: which stretches to decode, and whether to trust the result."""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from antiphon.audio.windows import WINDOW_SAMPLES
from antiphon.ports.vad import RATE_HZ
from antiphon.providers.whisper.voice import VoiceScores

WINDOW_S = WINDOW_SAMPLES / RATE_HZ
LONGEST_S = 27.0
"""Longest stretch decoded at once: Whisper's 30 s less the zeros after it."""

_MAYBE_SPEECH = 0.15
VOICE_ODDS = 2.0
"""Least odds of a stretch with speech, between those of noise and of the faintest words: ADR 0004."""
_SPEECH = 0.5
_SPEECH_WINDOWS = 3
_SPEECH_SHARE = 0.3
"""Least share of speech between the first and the last sound; babble and radio have less."""
_REST_WINDOWS = 8
_MARGIN_S = 0.4
"""Audio kept around speech: the detector misses the first and last sounds."""
_JOIN_S = 2.0
"""Stretches closer than this are decoded together."""
_REST_S = 1.0
_PAUSE_S = 1.0
"""After a silence of this length another person may speak."""
_PART_S = 2.5
"""The language of shorter parts cannot be detected reliably."""
_SPARSE_BYTES_PER_S = 5.0
"""Normal speech has three times as many UTF-8 bytes per second, in Chinese as in English."""
_SPARSE_FROM_S = 4.0
_SHORT_PAUSE_S = 0.3
_HOLE_WINDOWS = 16
"""Half a second of speech: the decoder's time codes are imprecise."""

_FEWEST_TOKENS = 16
_FEWEST_CHARACTERS = 24
_CHARACTERS_PER_S = 26.0
"""Maximum speaking rate; longer text was not in the audio."""
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


def find_speech(scores: VoiceScores, duration_s: float) -> list[Stretch]:
    """Return the stretches of a clip with speech, in order; pauses up to 2 s do not split them.

    ``scores`` holds the scores of the clip. Sounds that are not a voice by these scores are left out.
    """
    joined: list[Stretch] = []
    for place, probability in enumerate(scores.forwards):
        if probability < _MAYBE_SPEECH:
            continue
        start_s = max(0.0, place * WINDOW_S - _MARGIN_S)
        end_s = min(duration_s, (place + 1) * WINDOW_S + _MARGIN_S)
        if joined and start_s - joined[-1].end_s < _JOIN_S:
            joined[-1] = Stretch(joined[-1].start_s, end_s)
        else:
            joined.append(Stretch(start_s, end_s))
    return [stretch for stretch in joined if voice_odds(scores, stretch) >= VOICE_ODDS]


def voice_odds(scores: VoiceScores, stretch: Stretch) -> float:
    """Return the detector's odds of speech in ``stretch``: 1 is even, 9 is a probability of 90 %."""
    return scores.odds(int(stretch.start_s / WINDOW_S), math.ceil(stretch.end_s / WINDOW_S))


def cut_at_pauses(stretch: Stretch, probabilities: Sequence[float]) -> list[Stretch]:
    """Split ``stretch`` at long pauses into parts, none too short to detect its language."""
    parts: list[Stretch] = []
    start_s = stretch.start_s
    for cut_s in _pauses(stretch, probabilities, _PAUSE_S):
        if cut_s - start_s >= _PART_S and stretch.end_s - cut_s >= _PART_S:
            parts.append(Stretch(start_s, cut_s))
            start_s = cut_s
    return [*parts, Stretch(start_s, stretch.end_s)]


def halves(window: Stretch, probabilities: Sequence[float]) -> list[Stretch]:
    """Return ``window`` cut in the pause nearest to its middle; an empty list if there is none."""
    middle_s = (window.start_s + window.end_s) / 2
    cuts = _pauses(window, probabilities, _SHORT_PAUSE_S)
    inner = [cut_s for cut_s in cuts if window.start_s + _REST_S < cut_s < window.end_s - _REST_S]
    if not inner:
        return []
    cut_s = min(inner, key=lambda cut_s: abs(cut_s - middle_s))
    return [Stretch(window.start_s, cut_s), Stretch(cut_s, window.end_s)]


def _pauses(stretch: Stretch, probabilities: Sequence[float], least_s: float) -> Iterator[float]:
    """Yield the middle of each silence of at least ``least_s`` before speech."""
    quiet = 0
    for place in range(int(stretch.start_s / WINDOW_S), int(stretch.end_s / WINDOW_S)):
        if probabilities[place] < _MAYBE_SPEECH:
            quiet += 1
            continue
        if quiet * WINDOW_S >= least_s:
            yield (place - quiet / 2) * WINDOW_S
        quiet = 0


def is_hole(probabilities: Sequence[float], gap: Stretch) -> bool:
    """Return whether the decoder skipped speech between two segments."""
    return _voiced(probabilities, gap) >= _HOLE_WINDOWS


def is_sparse(text: str, probabilities: Sequence[float], window: Stretch) -> bool:
    """Return whether ``text`` is much too short for the speech in ``window``."""
    speech_s = _voiced(probabilities, window) * WINDOW_S
    return speech_s >= _SPARSE_FROM_S and len(text.encode()) < _SPARSE_BYTES_PER_S * speech_s


def _voiced(probabilities: Sequence[float], stretch: Stretch) -> int:
    """Return the number of the detector's windows in ``stretch`` that are speech."""
    inside = probabilities[int(stretch.start_s / WINDOW_S) : int(stretch.end_s / WINDOW_S)]
    return sum(probability >= _SPEECH for probability in inside)


def next_window(stretch: Stretch, probabilities: Sequence[float]) -> Stretch:
    """Return the window to decode first: all of ``stretch``, or up to its quietest point if it is too long."""
    if stretch.duration_s <= LONGEST_S:
        return stretch
    first = int((stretch.start_s + LONGEST_S / 2) / WINDOW_S)
    last = min(int((stretch.start_s + LONGEST_S) / WINDOW_S), len(probabilities))
    quietest = min(range(first, last), key=lambda place: sum(probabilities[max(0, place - 2) : place + 3]))
    return Stretch(stretch.start_s, (quietest + 0.5) * WINDOW_S)


def remaining(stretch: Stretch, window: Stretch, reached_s: float, probabilities: Sequence[float]) -> Stretch | None:
    """Return the rest of ``stretch`` to decode, after the text of ``window`` has reached ``reached_s``.

    The decoder may stop early, e.g. when the language changes; the rest is decoded again if it has speech.
    """
    reached_s = min(max(reached_s, window.start_s + _REST_S), window.end_s)
    rest = probabilities[int(reached_s / WINDOW_S) + 1 : int(window.end_s / WINDOW_S)]
    has_speech = sum(probability >= _SPEECH for probability in rest) >= _REST_WINDOWS
    if window.end_s < stretch.end_s:
        went_far = reached_s > window.start_s + window.duration_s / 2
        return Stretch(reached_s if went_far or has_speech else window.end_s, stretch.end_s)
    return Stretch(reached_s, stretch.end_s) if has_speech and stretch.end_s - reached_s > _REST_S else None


def is_certain_speech(probabilities: Sequence[float], window: Stretch) -> bool:
    """Return whether the detector finds speech in ``window`` with certainty, and not just sporadically."""
    inside = probabilities[int(window.start_s / WINDOW_S) : int(window.end_s / WINDOW_S) + 1]
    audible = [place for place, probability in enumerate(inside) if probability >= _MAYBE_SPEECH]
    voiced = sum(probability >= _SPEECH for probability in inside)
    span = audible[-1] - audible[0] + 1 if audible else 0
    return voiced >= max(_SPEECH_WINDOWS, _SPEECH_SHARE * span)


def is_noise(belief: Belief, *, certain_speech: bool) -> bool:
    """Return whether the text was hallucinated from noise."""
    if certain_speech:
        floor = -1.2 if belief.no_speech_probability > 0.6 else -1.5
        return belief.average_logprob < floor
    return belief.no_speech_probability > 0.5 or belief.average_logprob < -0.6


def token_limit(duration_s: float, tokens_per_s: float) -> int:
    """Return the maximum number of tokens; a longer text counts as a loop."""
    return int(_FEWEST_TOKENS + tokens_per_s * duration_s)


def is_looped(text: str, duration_s: float, *, count_repeats: bool = True) -> bool:
    """Return whether the decoder looped: the text is too long for the duration, or repeats itself.

    Short repetitions such as "no, no, no, no" may be real: without ``count_repeats`` they are accepted.
    """
    if len(text) > _FEWEST_CHARACTERS + _CHARACTERS_PER_S * duration_s:
        return True
    return _compression(text) > _COMPRESSION or (count_repeats and _repeats(text.lower().split()))


def is_doubled(text: str) -> bool:
    """Return whether the text is one phrase, repeated at least once."""
    words = _WORD.findall(text.lower())
    return any(words == words[:size] * (len(words) // size) for size in range(1, len(words) // 2 + 1))


def _compression(text: str) -> float:
    data = text.encode()
    return len(data) / len(zlib.compress(data)) if data else 0.0


def _repeats(words: Sequence[str]) -> bool:
    """Return whether a phrase occurs four times in a row."""
    for size in range(1, min(_LONGEST_PHRASE, len(words) // _REPEATS) + 1):
        run = 0
        for place in range(size, len(words)):
            run = run + 1 if words[place] == words[place - size] else 0
            if run >= size * (_REPEATS - 1):
                return True
    return False

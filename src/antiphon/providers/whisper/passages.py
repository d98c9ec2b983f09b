"""From sound to passages of text: finds the speech, decodes it by short windows, and tries again what went wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import structlog

from antiphon.entities.speech import Segment, Word
from antiphon.ports.stt import TranscribeOptions
from antiphon.ports.vad import RATE_HZ
from antiphon.providers.whisper.model import (
    PADDED_S,
    TIME_CODE_S,
    DecodeAttempt,
    DecodedText,
    WhisperNetwork,
)
from antiphon.providers.whisper.voice import Samples
from antiphon.providers.whisper.window import (
    Belief,
    Stretch,
    cut_at_pauses,
    find_speech,
    halves,
    is_certain_speech,
    is_doubled,
    is_hole,
    is_looped,
    is_noise,
    is_sparse,
    next_window,
    what_is_left,
)

_TIME_CODES_FROM_S = 8.0
"""Shorter clips are one segment: time codes would only cost tokens."""
_ONE_PHRASE_S = 2.5
"""Shorter windows hold a word or two: the network says such twice, unless it has room before and behind them."""
_LEAD_IN_S = 0.5
_PADDED = DecodeAttempt(PADDED_S, beam_size=5)

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class SpokenPassage:
    """One decoded stretch of a clip; without segments where nobody speaks."""

    language: str
    segments: tuple[Segment, ...]


@dataclass(frozen=True, slots=True)
class _Clip:
    """What is to be written down, and how."""

    samples: Samples
    probabilities: Sequence[float]
    options: TranscribeOptions
    is_cancelled: Callable[[], bool]


@dataclass(frozen=True, slots=True)
class _Heard:
    """What became of a window."""

    passage: SpokenPassage
    reached_s: float
    """Where the text ends."""
    holes: Sequence[tuple[int, Stretch]] = ()
    """Speech that the decoder left out, each with the number of segments before it."""


class PassageTranscriber:
    """Writes down clips of any length. Blocks; threads may share it."""

    def __init__(self, network: WhisperNetwork, *, padding_s: float) -> None:
        self._network = network
        last = (_PADDED, replace(_PADDED, no_repeat=3))
        # time codes and more zeros end most loops, and cost little
        self._attempts = (
            DecodeAttempt(padding_s, time_codes=False, tokens_per_s=10.0),
            DecodeAttempt(padding_s + 2.0),
            *last,
        )
        self._of_a_phrase = (
            DecodeAttempt(padding_s + 2.0, lead_in_s=_LEAD_IN_S),
            DecodeAttempt(padding_s + 5.0, lead_in_s=_LEAD_IN_S),
            *last,
        )

    def passages(
        self, samples: Samples, options: TranscribeOptions, is_cancelled: Callable[[], bool]
    ) -> Iterator[SpokenPassage]:
        """Yield the passages of a clip in order, one for each window that is decoded; none for silence and noise.

        Speech that is not recognised is a segment without text.

        Raises `Cancelled` at the next step after ``is_cancelled`` turns true.
        """
        hearing = self._network.detect(samples)
        clip = _Clip(samples, hearing.forwards, options, is_cancelled)
        for stretch in find_speech(hearing, len(samples) / RATE_HZ):
            # one window has one language: what is said in another one is left out of its text
            parts = [stretch] if options.language else cut_at_pauses(stretch, clip.probabilities)
            for part in parts:
                yield from self._write_down(clip, part)

    def voice(self, samples: Samples) -> list[float]:
        """Return how likely somebody speaks in each window of 32 ms."""
        return self._network.detect(samples).forwards

    def warm_up(self, samples: Samples) -> None:
        """Decode once whatever ``samples`` hold, so that memory is there and the code is warm."""
        self._network.decode(samples, TranscribeOptions("en"), self._attempts[0], lambda: False)

    def padded(self, samples: Samples, language: str) -> str:
        """Decode a clip of at most 30 s as usual, in a window of 30 s: the yardstick for the short windows."""
        return self.in_full_window(samples, language).text

    def in_full_window(self, samples: Samples, language: str) -> DecodedText:
        """Do the same and return all that is known of it; an empty language is detected."""
        return self._network.decode(samples, TranscribeOptions(language), _PADDED, lambda: False)

    def _write_down(self, clip: _Clip, part: Stretch, *, is_half: bool = False) -> Iterator[SpokenPassage]:
        """Yield the passages of a part of the clip, window by window."""
        left: Stretch | None = part
        while left:
            window = next_window(left, clip.probabilities)
            heard = self._hear(clip, window)
            text = " ".join(segment.text for segment in heard.passage.segments)
            told = Stretch(window.start_s, heard.reached_s)
            # the text of one language may hide that more is said in another
            is_poor = not is_half and heard.passage.segments and is_sparse(text, clip.probabilities, told)
            if is_poor and (parts := halves(window, clip.probabilities)):
                reached_s = window.end_s
                for half in parts:
                    yield from self._write_down(clip, half, is_half=True)
            else:
                reached_s = heard.reached_s
                yield from self._filled(clip, heard)
            left = what_is_left(left, window, reached_s, clip.probabilities)

    def _hear(self, clip: _Clip, window: Stretch) -> _Heard:
        decoded = self._decode(clip, window)
        if decoded is None:
            return _Heard(SpokenPassage("", ()), window.end_s)
        if not decoded.text:
            return _Heard(SpokenPassage("", (_timed("", decoded.belief, window.start_s, window.end_s),)), window.end_s)
        segments, reached_s = _segments(decoded, window)
        gaps = ((place, Stretch(one.end_s, other.start_s)) for place, (one, other) in enumerate(pairwise(segments), 1))
        holes = [(place, gap) for place, gap in gaps if is_hole(clip.probabilities, gap)]
        if clip.options.word_timestamps:
            words = self._network.align(decoded, window.duration_s, window.start_s)
            segments = _share(words, segments)
        return _Heard(SpokenPassage(decoded.language, tuple(segments)), reached_s, holes)

    def _filled(self, clip: _Clip, heard: _Heard) -> Iterator[SpokenPassage]:
        """Yield a passage, and in its holes what is heard there by itself."""
        passage, first = heard.passage, 0
        for place, hole in heard.holes:
            yield replace(passage, segments=passage.segments[first:place])
            yield self._hear(clip, hole).passage
            first = place
        yield replace(passage, segments=passage.segments[first:])

    def _decode(self, clip: _Clip, window: Stretch) -> DecodedText | None:
        """Decode a window; None where it holds no speech, and without text where its speech is not recognised."""
        certain = is_certain_speech(clip.probabilities, window)
        part = clip.samples[int(window.start_s * RATE_HZ) : int(window.end_s * RATE_HZ)]
        is_phrase = window.duration_s < _ONE_PHRASE_S
        decoded, is_lost = None, False
        for attempt in self._of_a_phrase if is_phrase else self._attempts:
            is_short = attempt.padding_s < PADDED_S
            if is_lost and is_short:
                continue  # it seldom hears more than the one before, and costs as much
            coded = attempt.time_codes or window.duration_s >= _TIME_CODES_FROM_S
            decoded = self._network.decode(part, clip.options, replace(attempt, time_codes=coded), clip.is_cancelled)
            # what is heard in the second place only has to be believed as if it might be no speech: think of a crowd
            if not decoded.text or is_noise(decoded.belief, certain_speech=certain and not is_lost):
                if not certain:
                    return None
                if not is_short:
                    break
                is_lost = True
                continue
            if is_phrase and is_short and is_doubled(decoded.text):
                continue
            # what the full window repeats may have been said
            if not decoded.is_cut and not is_looped(decoded.text, window.duration_s, count_repeats=is_short):
                return decoded
            _log.info("whisper looped", duration_s=round(window.duration_s, 2), padding_s=attempt.padding_s)
            if not certain:
                return None
        _log.info("speech not recognised", duration_s=round(window.duration_s, 2))
        return decoded and replace(decoded, text="", tokens=[])


def _segments(decoded: DecodedText, window: Stretch) -> tuple[list[Segment], float]:
    """Cut the tokens at their time codes; what follows the last code reaches to the end."""
    first_code, first_s = decoded.tokenizer.timestamp_begin, window.start_s - decoded.lead_in_s
    segments: list[Segment] = []
    start_s, end_s, tokens = window.start_s, window.start_s, list[int]()
    for token in decoded.tokens:
        if token < first_code:
            tokens.append(token)
            continue
        end_s = min(max(first_s + (token - first_code) * TIME_CODE_S, window.start_s), window.end_s)
        segments += _segment(decoded, tokens, start_s, end_s)
        start_s, tokens = end_s, []
    if tokens or not segments:
        end_s = window.end_s
        segments += _segment(decoded, tokens, start_s, end_s)
    return segments, end_s


def _segment(decoded: DecodedText, tokens: list[int], start_s: float, end_s: float) -> list[Segment]:
    text = decoded.tokenizer.decode(tokens).strip()
    if not text:
        return []
    return [_timed(text, decoded.belief, start_s, max(start_s, end_s))]


def _timed(text: str, belief: Belief, start_s: float, end_s: float) -> Segment:
    return Segment(text, round(start_s, 2), round(end_s, 2), (), belief.average_logprob, belief.no_speech_probability)


def _share(words: list[Word], segments: list[Segment]) -> list[Segment]:
    """Give each segment as many letters of words as its text has, and the times of its words."""
    shared: list[Segment] = []
    rest = list(words)
    for place, segment in enumerate(segments, 1):
        own: list[Word] = []
        letters = _letters(segment.text)
        while rest and (letters > 0 or place == len(segments)):
            letters -= _letters(rest[0].text)
            own.append(rest.pop(0))
        shared.append(_with_words(segment, own) if own else segment)
    return shared


def _with_words(segment: Segment, words: list[Word]) -> Segment:
    return replace(segment, words=tuple(words), start_s=words[0].start_s, end_s=words[-1].end_s)


def _letters(text: str) -> int:
    return sum(not character.isspace() for character in text)

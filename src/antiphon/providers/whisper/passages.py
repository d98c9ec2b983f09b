"""From audio to passages of text: finds speech, decodes it in short windows, and retries bad results."""

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
    remaining,
)

_TIME_CODES_FROM_S = 8.0
"""Shorter clips are one segment, for which time codes would only cost tokens."""
_ONE_PHRASE_S = 2.5
"""Shorter windows hold a word or two, which the network often doubles unless zeros surround them."""
_LEAD_IN_S = 0.5
_PADDED = DecodeAttempt(PADDED_S, beam_size=5)

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class SpokenPassage:
    """One decoded stretch of a clip; without segments if it has no speech."""

    language: str
    segments: tuple[Segment, ...]


@dataclass(frozen=True, slots=True)
class _Clip:
    """A clip to transcribe, and how."""

    samples: Samples
    probabilities: Sequence[float]
    options: TranscribeOptions
    is_cancelled: Callable[[], bool]


@dataclass(frozen=True, slots=True)
class _DecodedWindow:
    """The result of one window."""

    passage: SpokenPassage
    reached_s: float
    """End of the text in the clip."""
    holes: Sequence[tuple[int, Stretch]] = ()
    """Stretches of speech that the decoder skipped, each with the number of segments before it."""


class PassageTranscriber:
    """Transcribes clips of any length. Blocks; thread-safe."""

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
        """Yield the passages of a clip in order, one per decoded window; none for silence and noise.

        Speech that is not recognised is a segment without text.
        Raises `Cancelled` at the next step after ``is_cancelled`` turns true.
        """
        scores = self._network.detect(samples)
        clip = _Clip(samples, scores.forwards, options, is_cancelled)
        for stretch in find_speech(scores, len(samples) / RATE_HZ):
            # each window has one language; speech in another one would be missing from its text
            parts = [stretch] if options.language else cut_at_pauses(stretch, clip.probabilities)
            for part in parts:
                yield from self._transcribe(clip, part)

    def voice(self, samples: Samples) -> list[float]:
        """Return the probability of speech in each window of 32 ms."""
        return self._network.detect(samples).forwards

    def warm_up(self, samples: Samples) -> None:
        """Decode ``samples`` once, so that memory is allocated and the code is warm."""
        self._network.decode(samples, TranscribeOptions("en"), self._attempts[0], lambda: False)

    def padded(self, samples: Samples, language: str) -> str:
        """Decode a clip of at most 30 s in a full window of 30 s: the reference for short windows."""
        return self.in_full_window(samples, language).text

    def in_full_window(self, samples: Samples, language: str) -> DecodedText:
        """Do the same and return the whole result; an empty language is detected."""
        return self._network.decode(samples, TranscribeOptions(language), _PADDED, lambda: False)

    def _transcribe(self, clip: _Clip, part: Stretch, *, is_half: bool = False) -> Iterator[SpokenPassage]:
        """Yield the passages of a part of the clip, window by window."""
        left: Stretch | None = part
        while left:
            window = next_window(left, clip.probabilities)
            decoded = self._decode_window(clip, window)
            text = " ".join(segment.text for segment in decoded.passage.segments)
            covered = Stretch(window.start_s, decoded.reached_s)
            # the text of one language may lack speech in another
            is_poor = not is_half and decoded.passage.segments and is_sparse(text, clip.probabilities, covered)
            if is_poor and (parts := halves(window, clip.probabilities)):
                reached_s = window.end_s
                for half in parts:
                    yield from self._transcribe(clip, half, is_half=True)
            else:
                reached_s = decoded.reached_s
                yield from self._filled(clip, decoded)
            left = remaining(left, window, reached_s, clip.probabilities)

    def _decode_window(self, clip: _Clip, window: Stretch) -> _DecodedWindow:
        decoded = self._decode(clip, window)
        if decoded is None:
            return _DecodedWindow(SpokenPassage("", ()), window.end_s)
        if not decoded.text:
            unknown = _timed("", decoded.belief, window.start_s, window.end_s)
            return _DecodedWindow(SpokenPassage("", (unknown,)), window.end_s)
        segments, reached_s = _segments(decoded, window)
        gaps = ((place, Stretch(one.end_s, other.start_s)) for place, (one, other) in enumerate(pairwise(segments), 1))
        holes = [(place, gap) for place, gap in gaps if is_hole(clip.probabilities, gap)]
        if clip.options.word_timestamps:
            words = self._network.align(decoded, window.duration_s, window.start_s)
            segments = _share(words, segments)
        return _DecodedWindow(SpokenPassage(decoded.language, tuple(segments)), reached_s, holes)

    def _filled(self, clip: _Clip, window: _DecodedWindow) -> Iterator[SpokenPassage]:
        """Yield a passage, with its holes filled by decoding each of them separately."""
        passage, first = window.passage, 0
        for place, hole in window.holes:
            yield replace(passage, segments=passage.segments[first:place])
            yield self._decode_window(clip, hole).passage
            first = place
        yield replace(passage, segments=passage.segments[first:])

    def _decode(self, clip: _Clip, window: Stretch) -> DecodedText | None:
        """Decode a window; None if it has no speech, without text if its speech is not recognised."""
        certain = is_certain_speech(clip.probabilities, window)
        part = clip.samples[int(window.start_s * RATE_HZ) : int(window.end_s * RATE_HZ)]
        is_phrase = window.duration_s < _ONE_PHRASE_S
        decoded, is_lost = None, False
        for attempt in self._of_a_phrase if is_phrase else self._attempts:
            is_short = attempt.padding_s < PADDED_S
            if is_lost and is_short:
                continue  # it seldom recognises more than the one before, and costs as much
            coded = attempt.time_codes or window.duration_s >= _TIME_CODES_FROM_S
            decoded = self._network.decode(part, clip.options, replace(attempt, time_codes=coded), clip.is_cancelled)
            # a text found only at a second attempt is checked as strictly as if there were no speech (crowds)
            if not decoded.text or is_noise(decoded.belief, certain_speech=certain and not is_lost):
                if not certain:
                    return None
                if not is_short:
                    break
                is_lost = True
                continue
            if is_phrase and is_short and is_doubled(decoded.text):
                continue
            # repetitions in the full window may be real
            if not decoded.is_cut and not is_looped(decoded.text, window.duration_s, count_repeats=is_short):
                return decoded
            _log.info("whisper looped", duration_s=round(window.duration_s, 2), padding_s=attempt.padding_s)
            if not certain:
                return None
        _log.info("speech not recognised", duration_s=round(window.duration_s, 2))
        return decoded and replace(decoded, text="", tokens=[])


def _segments(decoded: DecodedText, window: Stretch) -> tuple[list[Segment], float]:
    """Split the tokens at their time codes; those after the last code extend to the end."""
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
    """Distribute the words to the segments by number of letters, and set the times of each segment from its words."""
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

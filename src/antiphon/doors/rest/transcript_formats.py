"""A transcript in the formats of the REST API: JSON, text, subtitles."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator

import msgspec

from antiphon.entities.speech import Segment
from antiphon.text.subtitles import Cue, srt, vtt
from antiphon.wire.entries import TranscriptReady
from antiphon.wire.transcriptions import (
    LanguageCode,
    TranscribedSegment,
    TranscribedWord,
    TranscriptionJson,
    TranscriptionVerbose,
)
from antiphon.wire.usage import DurationUsage

PLAIN = "text/plain; charset=utf-8"

_encode = msgspec.json.Encoder().encode


def languages_of(transcript: TranscriptReady) -> list[LanguageCode]:
    """Return the language as the protocol's list; empty without speech."""
    return [LanguageCode(transcript.language)] if transcript.language and transcript.text else []


def as_json(transcript: TranscriptReady) -> bytes:
    """Return ``{text, usage, languages}``."""
    usage = DurationUsage(_seconds(transcript.duration_s))
    return _encode(TranscriptionJson(transcript.text, usage, languages_of(transcript)))


def as_verbose(
    transcript: TranscriptReady, *, granularities: Iterable[str], translated: bool, temperature: float
) -> bytes:
    """Return the segments, words, or both; by default the segments. Speech that was not recognised is a segment too."""
    wanted = set(granularities) or {"segment"}
    segments = [_segment(index, one, temperature) for index, one in enumerate(transcript.segments)]
    words = [
        TranscribedWord(word.text.strip(), _seconds(word.start_s), _seconds(word.end_s))
        for segment in transcript.segments
        for word in segment.words
    ]
    return _encode(
        TranscriptionVerbose(
            task="translate" if translated else "transcribe",
            language=transcript.language,
            duration=_seconds(transcript.duration_s),
            text=transcript.text,
            usage=DurationUsage(_seconds(transcript.duration_s)),
            segments=segments if "segment" in wanted else None,
            words=words if "word" in wanted else None,
        )
    )


def as_text(transcript: TranscriptReady) -> bytes:
    """Return the text and a newline."""
    return f"{transcript.text}\n".encode()


def as_srt(transcript: TranscriptReady) -> bytes:
    """Return SubRip subtitles, one cue per segment."""
    return srt(_cues(transcript)).encode()


def as_vtt(transcript: TranscriptReady) -> bytes:
    """Return WebVTT subtitles, one cue per segment."""
    return vtt(_cues(transcript)).encode()


PLAIN_FORMATS: dict[str, Callable[[TranscriptReady], bytes]] = {"text": as_text, "srt": as_srt, "vtt": as_vtt}


def _segment(index: int, segment: Segment, temperature: float) -> TranscribedSegment:
    raw = segment.text.encode()
    return TranscribedSegment(
        id=index,
        seek=0,
        start=_seconds(segment.start_s),
        end=_seconds(segment.end_s),
        text=segment.text,
        tokens=[],
        temperature=temperature,
        avg_logprob=segment.average_logprob,
        compression_ratio=round(len(raw) / len(zlib.compress(raw)), 3) if raw else 0.0,
        no_speech_prob=segment.no_speech_probability,
        recognized=bool(segment.text),
    )


def _seconds(value: float) -> float:
    return round(value, 3)


def _cues(transcript: TranscriptReady) -> Iterator[Cue]:
    """Return one cue per segment, its text on one line."""
    for segment in transcript.segments:
        if segment.text:
            yield Cue(round(segment.start_s * 1000), round(segment.end_s * 1000), " ".join(segment.text.split()))

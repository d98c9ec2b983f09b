"""The transcribe worker: transcribes audio."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import replace

from antiphon.audio.cutting import pieces
from antiphon.entities.speech import Pcm, Segment, Transcript
from antiphon.ports.bus import Bus
from antiphon.ports.engine import answered_by
from antiphon.ports.stt import SpeechToText, TranscribeOptions
from antiphon.wire.entries import SegmentReady, TranscriptReady
from antiphon.wire.jobs import Job, Transcribe
from antiphon.workers.loop import Emit
from antiphon.workers.work import work_of

_PIECE_S = 300.0
"""Maximum audio per engine call: more would need gigabytes, and services refuse it."""


class Transcriber:
    """Handles ``transcribe`` jobs with one engine; long recordings are split."""

    def __init__(self, engine: SpeechToText) -> None:
        self._engine = engine

    async def handle(self, job: Job, emit: Emit, bus: Bus) -> None:
        """Emit segments as they arrive, then the transcript."""
        del bus
        work = work_of(job, Transcribe)
        options = TranscribeOptions(
            language=work.language,
            prompt=work.prompt,
            model=work.model,
            translate=work.translate,
            word_timestamps=work.word_timestamps,
            temperature=work.temperature,
        )
        answered_by.set(self._engine.capabilities)
        heard: list[Transcript] = []
        for start, piece in pieces(work.audio, work.rate_hz, _PIECE_S):
            async with aclosing(self._engine.transcribe(Pcm(piece, work.rate_hz), options)) as results:  # pyright: ignore[reportArgumentType] -- the engines' iterators are async generators
                async for result in results:
                    moved = _moved(result, start / work.rate_hz)
                    if isinstance(moved, Segment):
                        await emit([SegmentReady(job.id, moved)])
                    else:
                        heard.append(moved)
        await emit([_whole(job, heard)])


def _moved(result: Segment | Transcript, by_s: float) -> Segment | Transcript:
    """Shift the times of a result by ``by_s``."""
    if not by_s:
        return result
    if isinstance(result, Transcript):
        return replace(result, segments=tuple(_later(segment, by_s) for segment in result.segments))
    return _later(result, by_s)


def _later(segment: Segment, by_s: float) -> Segment:
    words = tuple(replace(word, start_s=word.start_s + by_s, end_s=word.end_s + by_s) for word in segment.words)
    return replace(segment, start_s=segment.start_s + by_s, end_s=segment.end_s + by_s, words=words)


def _whole(job: Job, heard: Sequence[Transcript]) -> TranscriptReady:
    """Join the transcripts of all pieces; the language is that of the first words."""
    spoken, by = [one for one in heard if one.text] or heard, answered_by.get()
    return TranscriptReady(
        job.id,
        " ".join(one.text for one in spoken),
        spoken[0].language,
        sum(one.duration_s for one in heard),
        tuple(segment for one in heard for segment in one.segments),
        engine=by.name,
        model=by.model,
    )

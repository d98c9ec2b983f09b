"""What listeners outside are told of the entries of sessions."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from antiphon.bus.redis.mirrored import MirroredBus, messages
from antiphon.entities.speech import Segment
from antiphon.wire.entries import (
    AudioReady,
    PipeEntry,
    ScoreReady,
    SegmentReady,
    SpeechDone,
    TextReady,
    TranscriptReady,
)
from tests.options import pipe_limit, queue_limit
from tests.unit.bus.redis.stage import emptied

PIPE = "t:acme:session:{s}"
AT = {"job_id": "j", "position": 7}
CHUNK = {"type": "audio.chunk", "stream": f"{PIPE}:pipe", "entry": "7-0", "bytes": 4, **AT}
SEGMENT = {"type": "transcription.segment", "text": "hi", **AT}
SENTENCE = {"type": "tts.sentence", "text": "hi.", **AT}
COMPLETED = {"type": "transcription.completed", "text": "hi", "language": "en", "duration_s": 1.5, **AT}


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        (SegmentReady("j", Segment("hi", 0.0, 1.0)), [("transcription", SEGMENT)]),
        (SegmentReady("j", Segment("", 0.0, 1.0)), []),
        (TranscriptReady("j", "hi", "en", 1.5), [("transcription", COMPLETED)]),
        (AudioReady("j", b"1234"), [("audio:out", CHUNK)]),
        (AudioReady("j", b"1234", "hi."), [("audio:out", CHUNK), ("tts", SENTENCE)]),
        (SpeechDone("j", "kokoro"), [("tts", {"type": "tts.completed", "engine": "kokoro", **AT})]),
        (TextReady("j", "hi"), []),
        (ScoreReady("j", 0.5), []),
    ],
)  # fmt: skip
def test_text_is_told_in_full_and_audio_by_where_it_lies(entry: PipeEntry, told: list[object]) -> None:
    assert list(messages(PIPE, 7, entry)) == told


class Told:
    """A mirror that notes what it is told."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, str, str, object, object]] = []

    def tell(self, channel: str, tenant: str, session_id: str, message: Mapping[str, object]) -> None:
        self.messages.append((channel, tenant, session_id, message["type"], message["position"]))


async def test_only_pipes_of_sessions_are_mirrored_and_all_entries_are_read(redis_url: str) -> None:
    told = Told()
    entries = [TranscriptReady("j", "hi", "en", 1.0), TextReady("j", "x")]
    async with emptied(redis_url) as connection, asyncio.timeout(10):
        bus = MirroredBus(connection, told, queue_limit(), pipe_limit())
        await bus.start()
        for pipe in (PIPE, "t:acme:speech:{s}"):
            await bus.write(pipe, entries)
            reader = bus.read(pipe)
            assert [await anext(reader), await anext(reader)] == list(enumerate(entries, 1))
            await reader.aclose()
        await bus.close()
    assert told.messages == [("transcription", "acme", "s", "transcription.completed", 1)]

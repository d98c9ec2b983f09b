"""A bus that mirrors results of sessions to outside listeners: text in full, audio by reference."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing

from antiphon.bus.limits import PipeLimit, QueueLimit
from antiphon.bus.redis.bus import RedisBus
from antiphon.bus.redis.pipes import entries_key
from antiphon.connections.redis import RedisConnection
from antiphon.jobs.audio import JobAudio
from antiphon.ports.bus import Keep
from antiphon.ports.mirror import Mirror
from antiphon.wire.entries import (
    AudioReady,
    PipeEntry,
    SegmentReady,
    SpeechDone,
    TranscriptReady,
)

TRANSCRIPTION, SPEECH, AUDIO = "transcription", "tts", "audio:out"
"""Channels, each followed by a colon and the session's id."""
_OF_A_SESSION = re.compile(r"t:([^:{}]+):session:\{([^{}]+)\}")


class MirroredBus(RedisBus):
    """A `RedisBus` that mirrors the entries its readers get from pipes of sessions; some twice after a resume."""

    def __init__(
        self,
        connection: RedisConnection,
        mirror: Mirror,
        queues: QueueLimit,
        pipes: PipeLimit,
        *,
        audio: JobAudio | None = None,
    ) -> None:
        super().__init__(connection, queues, pipes, audio=audio)
        self._mirror = mirror

    def read(self, pipe: str, *, after: int = 0, keep: Keep | None = None) -> AsyncGenerator[tuple[int, PipeEntry]]:
        """Yield ``(position, entry)`` from behind ``after``."""
        entries = super().read(pipe, after=after, keep=keep)
        named = _OF_A_SESSION.fullmatch(pipe)
        return entries if named is None else self._mirrored(entries, pipe, named[1], named[2])

    async def _mirrored(
        self, entries: AsyncGenerator[tuple[int, PipeEntry]], pipe: str, tenant: str, session_id: str
    ) -> AsyncGenerator[tuple[int, PipeEntry]]:
        async with aclosing(entries):
            async for position, entry in entries:
                for channel, message in messages(pipe, position, entry):
                    self._mirror.tell(channel, tenant, session_id, message)
                yield position, entry


def messages(pipe: str, position: int, entry: PipeEntry) -> Iterator[tuple[str, dict[str, object]]]:
    """Yield channel and content of the messages about an entry at this position of a pipe."""
    at: dict[str, object] = {"job_id": entry.job_id, "position": position}
    match entry:
        case SegmentReady() if entry.segment.text:
            yield TRANSCRIPTION, {"type": "transcription.segment", "text": entry.segment.text, **at}
        case TranscriptReady():
            facts = {"text": entry.text, "language": entry.language, "duration_s": entry.duration_s}
            yield TRANSCRIPTION, {"type": "transcription.completed", **facts, **at}
        case AudioReady():
            where = {"stream": entries_key(pipe), "entry": f"{position}-0", "bytes": len(entry.audio)}
            yield AUDIO, {"type": "audio.chunk", **where, **at}
            if entry.text:
                yield SPEECH, {"type": "tts.sentence", "text": entry.text, **at}
        case SpeechDone():
            yield SPEECH, {"type": "tts.completed", "engine": entry.engine, **at}
        case _:
            pass

"""Handlers get the work of their kind, with its audio."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from antiphon.errors import InvalidRequest
from antiphon.jobs.audio import INLINE_BYTES, JobAudio
from antiphon.ports.bus import Bus
from antiphon.wire.entries import PipeEntry
from antiphon.wire.jobs import Job, Speak, Transcribe
from antiphon.workers.loop import Emit
from antiphon.workers.work import with_audio, work_of
from tests.options import embedded_bus


def test_the_work_of_a_job_is_of_the_kind_of_its_queue() -> None:
    work = Speak("hi")
    assert work_of(Job("a", "speak", work, "out"), Speak) is work


def test_a_job_in_the_wrong_queue_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="a Speak job is in queue 'transcribe'") as refused:
        work_of(Job("a", "transcribe", Speak("hi"), "out"), Transcribe)
    assert refused.value.code == "wrong_queue"


class _Attached(JobAudio):
    """Audio that lies nowhere: what is attached is known."""

    def __init__(self, audio: bytes) -> None:
        self._audio = audio

    async def attach(self, job: Job) -> Job:
        return replace(job, work=replace(work_of(job, Transcribe), audio=self._audio))


async def test_a_handler_gets_audio_that_was_stored_separately() -> None:
    got: list[bytes] = []
    audio = bytes(INLINE_BYTES + 1)

    async def handle(job: Job, emit: Emit, bus: Bus) -> None:
        got.append(work_of(job, Transcribe).audio)
        await emit([])

    emitted: list[Sequence[PipeEntry]] = []

    async def emit(entries: Sequence[PipeEntry]) -> None:
        emitted.append(entries)

    job = Job("a", "transcribe", Transcribe(b"", 16_000), "out")
    await with_audio(handle, _Attached(audio))(job, emit, embedded_bus())
    assert got == [audio]
    assert emitted == [[]]

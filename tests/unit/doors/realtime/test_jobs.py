"""The jobs of a session: what lies in the queues, what the machine is told, and what is left when it ends."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from antiphon.audio.pcm import Pcm
from antiphon.clock import VirtualClock
from antiphon.conversation import inputs
from antiphon.conversation.effects import StartAnswer, StartScore, StartTranscription
from antiphon.doors.realtime.jobs import RealtimeJobs
from antiphon.entities.chat import ChatMessage, ChatRequest
from antiphon.entities.speech import Segment
from antiphon.ports.bus import Lease
from antiphon.wire import jobs
from antiphon.wire.entries import (
    AnswerDone,
    AudioReady,
    CallReady,
    FragmentDubbed,
    JobFailed,
    MemoriesRecalled,
    MemoryStored,
    PipeEntry,
    ScoreReady,
    SegmentReady,
    SentenceReady,
    SentencesDone,
    SentenceSpoken,
    SpeechDone,
    TextReady,
    TranscriptReady,
    TranslationReady,
)
from antiphon.wire.jobs import Queue
from tests.options import embedded_bus

REQUEST = ChatRequest((ChatMessage("user", "hello"),))
ANSWER = StartAnswer("job_1", "job_2", REQUEST, "alto", 1.5)
WRITTEN = StartAnswer("job_3", "", REQUEST, "", 1.0)
SEGMENT = Segment("hi", 0.0, 1.0)
OUTPUT = "t:acme:session:{sess_1}"
SPEECH = "t:acme:speech:{sess_1}:job_2"


class Stage:
    """A job client and its bus; `take` plays the worker."""

    def __init__(self, **limits: Any) -> None:
        self.clock = VirtualClock()
        self.bus = embedded_bus(self.clock, strict=True, **limits)
        self.refused: list[JobFailed] = []
        self.job_client = RealtimeJobs(
            self.bus, self.clock, "acme", "sess_1", timeout_s=30.0, on_refused=self.refused.append
        )
        self.results = self.job_client.results()
        self._claims: dict[Queue, AsyncIterator[Lease]] = {}

    async def answer(self, effect: StartAnswer) -> None:
        """Have an answer made."""
        for job in self.job_client.answering(effect):
            await self.job_client.submit(job)

    async def take(self, queue: Queue) -> Lease:
        """Claim the next job of a queue."""
        assert self.bus.depth(queue)
        claims = self._claims.setdefault(queue, self.bus.claim(queue, "worker"))
        return await anext(claims)

    async def result(self) -> PipeEntry:
        """Take the session's next result."""
        _, entry = await anext(self.results)
        await self.job_client.finished(entry)
        return entry

    def pipes(self) -> set[str]:
        return set(self.bus._pipes)

    def is_up(self, name: str) -> bool:
        """Say whether a job is cancelled."""
        return self.bus._queues.flags.is_up(f"sess_1.{name}")


@pytest.fixture
def stage() -> Stage:
    return Stage()


# -- what is submitted -------------------------------------------------------------------------------------------------
async def test_a_transcription_takes_its_audio_along(stage: Stage) -> None:
    effect = StartTranscription("job_1", "item_1", 0, 0, "de", "names", "whisper-1")
    (made,) = stage.job_client.listening(effect, Pcm(b"abcd", 8_000))
    assert stage.job_client.pending == {made.id: made}
    await stage.job_client.submit(made)
    assert not stage.job_client.pending
    job = (await stage.take("transcribe")).job
    assert job.work == jobs.Transcribe(b"abcd", 8_000, language="de", prompt="names", model="whisper-1")
    assert (job.id, job.output, job.input) == ("sess_1.job_1", OUTPUT, "")
    assert (job.tenant, job.session_id, job.correlation_id) == ("acme", "sess_1", "sess_1")
    assert job.deadline_s == stage.clock.wall() + 30.0


async def test_a_score_takes_its_audio_along(stage: Stage) -> None:
    (made,) = stage.job_client.listening(StartScore("job_1", 0, 2), Pcm(b"abcd", 24_000))
    await stage.job_client.submit(made)
    assert (await stage.take("score")).job.work == jobs.Score(b"abcd", 24_000)


async def test_a_spoken_answer_is_a_speaker_and_a_model_with_a_pipe_between_them(stage: Stage) -> None:
    await stage.answer(ANSWER)
    speaker, model = (await stage.take("speak")).job, (await stage.take("respond")).job
    assert (speaker.id, speaker.input, speaker.output) == ("sess_1.job_2", SPEECH, OUTPUT)
    assert speaker.work == jobs.Speak(voice="alto", speed=1.5, rate_hz=24_000)
    assert (model.id, model.input, model.output) == ("sess_1.job_1", "", OUTPUT)
    assert model.work == jobs.Respond(REQUEST, SPEECH)


async def test_a_written_answer_has_no_speaker(stage: Stage) -> None:
    await stage.answer(WRITTEN)
    assert stage.bus.depth("speak") == 0
    assert (await stage.take("respond")).job.work == jobs.Respond(REQUEST, "")


async def test_a_full_queue_is_the_failure_of_that_job_and_of_nothing_else() -> None:
    stage = Stage(held=1)
    await stage.answer(WRITTEN)
    await stage.answer(ANSWER)
    (failed,) = stage.refused
    assert (failed.job_id, failed.error_type, failed.code) == ("sess_1.job_1", "overloaded_error", "queue_full")
    assert failed.transient
    assert stage.bus.depth("speak") == 1


# -- what comes back ---------------------------------------------------------------------------------------------------
ENTRIES: list[tuple[PipeEntry, inputs.AnyInput | None]] = [
    (SegmentReady("sess_1.job_1", SEGMENT), inputs.Transcribing("job_1", SEGMENT)),
    (TranscriptReady("sess_1.job_1", "hi", "en", 1.5, (SEGMENT,)), inputs.Transcribed("job_1", "hi", 1.5)),
    (TextReady("sess_1.job_1", "hi"), inputs.TextMade("job_1", "hi")),
    (SentenceReady("sess_1.job_1", ""), inputs.TextMade("job_1", "")),
    (CallReady("sess_1.job_1", 2, "call_1", "f", "{}"), inputs.CallMade("job_1", 2, "call_1", "f", "{}")),
    (AnswerDone("sess_1.job_1", "length", 3, 2, 1), inputs.AnswerMade("job_1", "length", 3, 2, 1)),
    (SpeechDone("sess_1.job_1"), inputs.SpeechMade("job_1")),
    (ScoreReady("sess_1.job_1", 0.7), inputs.TurnScored("job_1", 0.7)),
    (JobFailed("sess_1.job_1", "api_error", "c", "m", transient=True), inputs.Failed("job_1", "api_error", "c", "m")),
    # what goes another way, or to somebody else
    (AudioReady("sess_1.job_1", b"ab", "hi"), None),
    (SentenceSpoken("sess_1.job_1"), inputs.SentenceMade("job_1")),
    (SentenceReady("sess_1.job_1", "hi"), None),
    (SentencesDone("sess_1.job_1"), None),
    (TranslationReady("sess_1.job_1", "salut"), None),
    (FragmentDubbed(job_id="sess_1.job_1", status="success"), None),
    (MemoriesRecalled("sess_1.job_1", ()), None),
    (MemoryStored("sess_1.job_1", "mem_1"), None),
]


def test_every_entry_that_there_is_is_tried_here() -> None:
    assert {type(entry) for entry, _ in ENTRIES} == set(PipeEntry.kinds)


@pytest.mark.parametrize(("entry", "event"), ENTRIES, ids=lambda value: type(value).__name__)
def test_a_result_is_told_under_the_machines_own_id(
    entry: PipeEntry, event: inputs.AnyInput | None, stage: Stage
) -> None:
    assert stage.job_client.name(entry.job_id) == "job_1"
    assert stage.job_client.as_input(entry) == event


async def test_results_of_all_jobs_come_in_order_through_one_pipe(stage: Stage) -> None:
    entries = [entry for entry, _ in ENTRIES]
    for entry in entries:
        await stage.bus.write(OUTPUT, [entry])
    assert [await stage.result() for _ in entries] == entries


async def test_a_closed_job_client_leaves_nothing_on_the_bus(stage: Stage) -> None:
    await stage.answer(ANSWER)
    await stage.answer(WRITTEN)
    running = await stage.take("respond")
    await stage.bus.write(OUTPUT, [TextReady("sess_1.job_1", "hi")])
    await stage.bus.write(SPEECH, [SentenceReady("sess_1.job_1", "hi")])
    await stage.job_client.close(["job_1", "job_2", "job_3"])
    await stage.bus.cancelled(running.job.id, "respond")
    await stage.bus.write(OUTPUT, [TextReady("sess_1.job_1", "more")])
    await running.acknowledge()
    for queue in ("respond", "speak"):
        assert stage.bus._queues.take(queue, "worker") is None
    assert stage.pipes() == set()
    assert stage.bus._queues._known == {}
    assert stage.bus.dead_letters() == ()
    with pytest.raises(StopAsyncIteration):
        await stage.result()

"""The jobs of one session: submitting, cancelling, and the pipes that are dropped at the end."""

from __future__ import annotations

import pytest

from antiphon.clock import VirtualClock
from antiphon.doors.websocket.jobs import SessionJobs
from antiphon.entities.chat import ChatMessage, ChatRequest
from antiphon.entities.priority import LIVE
from antiphon.errors import ProviderUnavailable
from antiphon.observe.trace import tracing
from antiphon.wire.entries import (
    AnswerDone,
    AudioReady,
    JobFailed,
    PipeEntry,
    SentenceReady,
    SpeechDone,
    TextReady,
)
from antiphon.wire.jobs import (
    Job,
    Respond,
    Speak,
    Transcribe,
    Translate,
)
from tests.options import embedded_bus

REQUEST = ChatRequest((ChatMessage("user", "hello"),))
OUTPUT = "t:acme:session:{sess_1}"
SPEECH = "t:acme:speech:{sess_1}:speak"
SENTENCE = SentenceReady("sess_1.respond", "hi")


class Stage:
    """The jobs of a session and their bus."""

    def __init__(self, *, held: int = 100) -> None:
        self.clock = VirtualClock()
        self.bus = embedded_bus(self.clock, strict=True, held=held)
        self.refused: list[JobFailed] = []
        self.jobs = SessionJobs(self.bus, self.clock, "acme", "sess_1", timeout_s=30.0, on_refused=self.refused.append)
        self.results = self.jobs.results()

    async def answer(self) -> None:
        """Submit a speaker and a model, with the pipe between them."""
        self.jobs.adopt(["speak"])
        await self.jobs.submit(self.jobs.make("speak", Speak(rate_hz=24_000), source=self.jobs.speech_pipes["speak"]))
        await self.jobs.submit(self.jobs.make("respond", Respond(REQUEST, SPEECH)))

    async def result(self) -> PipeEntry:
        """Take the session's next result."""
        _, entry = await anext(self.results)
        await self.jobs.finished(entry)
        return entry

    async def has_speech(self) -> bool:
        """Say whether the pipe of the speaker has an entry."""
        return await self.bus.tail(SPEECH) > 0


@pytest.fixture
def stage() -> Stage:
    return Stage()


# -- submitting ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("work", "allowed_s"), [
    (Transcribe(bytes(2 * 8_000), 8_000), 31.0),
    (Transcribe(bytes(2 * 8_000 * 90), 8_000), 120.0),
    (Translate("hi", "fr"), 30.0),
    (Respond(REQUEST), 600.0),
    (Speak("hi", rate_hz=24_000), 600.0),
], ids=lambda value: type(value).__name__)  # fmt: skip
def test_a_job_is_live_and_has_the_deadline_of_its_work(
    work: Transcribe | Translate | Respond | Speak, allowed_s: float, stage: Stage
) -> None:
    made = stage.jobs.make("job_1", work, source="pipe")
    assert (made.id, made.queue, made.output, made.input) == ("sess_1.job_1", work.queue, OUTPUT, "pipe")
    assert (made.tenant, made.session_id, made.correlation_id) == ("acme", "sess_1", "sess_1")
    assert (made.priority, made.deadline_s) == (LIVE, stage.clock.wall() + allowed_s)
    assert stage.jobs.name(made.id) == "job_1"


async def test_a_job_is_pending_until_it_is_submitted(stage: Stage) -> None:
    made = stage.jobs.make("job_1", Respond(REQUEST))
    assert stage.jobs.pending == {made.id: made}
    await stage.jobs.submit(made)
    assert not stage.jobs.pending
    assert stage.bus.depth("respond") == 1


async def test_jobs_of_the_previous_gateway_are_pending_and_submitted_once(stage: Stage) -> None:
    made = stage.jobs.make("job_1", Respond(REQUEST))
    await stage.jobs.submit(made)
    resumed = SessionJobs(stage.bus, stage.clock, "acme", "sess_1", timeout_s=30.0)
    resumed.take_over([made])
    assert resumed.pending == {made.id: made}
    await resumed.submit(made)
    assert not resumed.pending
    assert stage.bus.depth("respond") == 1


async def test_a_job_that_no_queue_accepts_is_refused_and_its_speech_pipe_dropped() -> None:
    stage = Stage(held=1)
    await stage.jobs.do("first", Speak("hi", rate_hz=24_000))
    await stage.answer()
    (failed,) = stage.refused
    assert (failed.job_id, failed.error_type, failed.code) == ("sess_1.speak", "overloaded_error", "queue_full")
    assert failed.transient
    assert not stage.jobs.speech_pipes
    assert not stage.jobs.pending


async def test_a_bus_that_is_unavailable_refuses_the_job() -> None:
    stage = Stage()

    async def away(job: Job) -> None:
        raise ProviderUnavailable("away", code="redis_unavailable")

    stage.bus.submit = away
    await stage.jobs.do("job_1", Respond(REQUEST))
    assert [(failed.job_id, failed.code) for failed in stage.refused] == [("sess_1.job_1", "redis_unavailable")]


def test_jobs_belong_to_the_trace_of_their_session_wherever_they_are_made() -> None:
    given = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    with tracing(given):
        stage = Stage()
    with tracing(""):
        made = [stage.jobs.make(name, Respond(REQUEST)) for name in ("job_1", "job_2")]
    assert [job.traceparent[:36] for job in made] == [given[:36]] * 2
    assert len({job.traceparent for job in made}) == 2


# -- results ---------------------------------------------------------------------------------------------------------
async def test_results_of_all_jobs_come_in_order_from_a_position_on(stage: Stage) -> None:
    entries = [TextReady("sess_1.respond", "hi"), AudioReady("sess_1.speak", b"ab"), TextReady("sess_1.other", "ho")]
    for entry in entries:
        await stage.bus.write(OUTPUT, [entry])
    assert await stage.jobs.tail() == 3
    assert [await stage.result() for _ in entries] == entries


# -- the end ---------------------------------------------------------------------------------------------------------
async def test_cancelling_a_speaker_drops_its_pipe(stage: Stage) -> None:
    await stage.answer()
    await stage.bus.write(SPEECH, [SENTENCE])
    sentences = stage.bus.read(SPEECH)
    await anext(sentences)
    await stage.jobs.cancel("speak")
    with pytest.raises(StopAsyncIteration):
        await anext(sentences)
    assert not await stage.has_speech()
    await stage.bus.cancelled("sess_1.speak", "speak")


async def test_cancelling_anything_else_leaves_the_pipes_alone(stage: Stage) -> None:
    await stage.answer()
    await stage.bus.write(SPEECH, [SENTENCE])
    await stage.jobs.cancel("respond")
    await stage.jobs.cancel("unknown")
    assert await stage.has_speech()
    await stage.bus.cancelled("sess_1.respond", "respond")


@pytest.mark.parametrize("last", [SpeechDone("sess_1.speak"), JobFailed("sess_1.speak", "api_error", None, "it broke")])
async def test_a_speaker_that_has_ended_leaves_no_pipe(last: PipeEntry, stage: Stage) -> None:
    await stage.answer()
    await stage.bus.write(SPEECH, [SENTENCE])
    await stage.bus.write(OUTPUT, [AudioReady("sess_1.speak", b"ab"), AnswerDone("sess_1.respond", "stop"), last])
    for _ in range(2):
        await stage.result()
        assert await stage.has_speech()
    await stage.result()
    assert not await stage.has_speech()


async def test_a_closed_session_leaves_nothing_on_the_bus(stage: Stage) -> None:
    await stage.answer()
    await stage.bus.write(OUTPUT, [TextReady("sess_1.respond", "hi")])
    await stage.bus.write(SPEECH, [SENTENCE])
    running = await anext(stage.bus.claim("respond", "worker"))
    await stage.jobs.close(["speak", "respond", "unknown"])
    await stage.bus.cancelled(running.job.id, "respond")
    await stage.bus.write(OUTPUT, [TextReady("sess_1.respond", "more")])
    await running.acknowledge()
    assert (stage.bus.depth("respond"), await stage.bus.tail(OUTPUT), await stage.has_speech()) == (0, 0, False)
    assert stage.bus.dead_letters() == ()
    with pytest.raises(StopAsyncIteration):
        await stage.result()

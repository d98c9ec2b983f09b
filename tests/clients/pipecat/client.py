"""Pipecat (`OpenAIRealtimeLLMService` in a pipeline with a transport) through the six scenarios."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import logging
import sys
from collections.abc import AsyncGenerator
from typing import Any

from loguru import logger
from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.adapters.llm.schemas.tools_schema import ToolsSchema
from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    ErrorFrame,
    Frame,
    FunctionCallResultFrame,
    InputAudioRawFrame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMRunFrame,
    LLMTextFrame,
    LLMUpdateSettingsFrame,
    OutputAudioRawFrame,
    StartFrame,
    TranscriptionFrame,
)
from pipecat.observers.base_observer import BaseObserver, FramePushed
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair
from pipecat.services.llm_service import FunctionCallParams
from pipecat.services.openai.realtime.events import (
    AudioConfiguration,
    AudioInput,
    InputAudioTranscription,
    SessionProperties,
    TurnDetection,
)
from pipecat.services.openai.realtime.llm import OpenAIRealtimeLLMService
from pipecat.transports.base_input import BaseInputTransport
from pipecat.transports.base_output import BaseOutputTransport
from pipecat.transports.base_transport import TransportParams
from pipecat.workers.runner import WorkerRunner
from stage import HEARD_S, RATE_HZ, Complaints, Inbox, Microphone, Stage, arguments, expect, question

OPTIONS = arguments()
QUESTION = question(OPTIONS.audio)
COMPLAINTS = Complaints("asyncio")
TRANSPORT = TransportParams(
    audio_in_enabled=True, audio_out_enabled=True, audio_in_sample_rate=RATE_HZ, audio_out_sample_rate=RATE_HZ
)
KEPT = (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    FunctionCallResultFrame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMTextFrame,
    TranscriptionFrame,
)
logger.remove()
logger.add(lambda message: COMPLAINTS.add(message.strip()), level="WARNING", format="{level} {name}: {message}")


class Ear(BaseInputTransport):
    """The input side of the transport."""

    async def start(self, frame: StartFrame) -> None:
        """Open the input."""
        await super().start(frame)
        await self.set_transport_ready(frame)

    async def send(self, pcm: bytes) -> None:
        """Hand one frame of the microphone on."""
        await self.push_audio_frame(InputAudioRawFrame(audio=pcm, sample_rate=RATE_HZ, num_channels=1))


class Speaker(BaseOutputTransport):
    """The output side of the transport: plays at the pace of the clock."""

    played_s = 0.0

    async def start(self, frame: StartFrame) -> None:
        """Open the output."""
        await super().start(frame)
        await self.set_transport_ready(frame)

    async def write_audio_frame(self, frame: OutputAudioRawFrame) -> bool:
        """Play one frame, as long as it lasts."""
        length_s = len(frame.audio) / (frame.sample_rate * 2)
        self.played_s += length_s
        await asyncio.sleep(length_s)
        return True


class Watcher(BaseObserver):
    """Keeps what happens in the pipeline; every error frame is a complaint."""

    def __init__(self, inbox: Inbox) -> None:
        super().__init__(observe_every_push=False)
        self._inbox = inbox

    async def on_push_frame(self, data: FramePushed) -> None:
        """Look at a frame on its first way."""
        if isinstance(data.frame, ErrorFrame):
            COMPLAINTS.add(f"error frame: {data.frame.error}")
        if isinstance(data.frame, KEPT):
            self._inbox.put(data.frame)


class Wire(logging.Handler):
    """The server's events, taken from the log of the WebSocket library: pipecat does not pass them on."""

    def __init__(self, inbox: Inbox) -> None:
        super().__init__(logging.DEBUG)
        self._inbox = inbox

    def emit(self, record: logging.LogRecord) -> None:
        """Keep an incoming text frame as a dictionary."""
        frame = record.args[0] if record.args else None
        if str(record.msg).startswith("<") and getattr(getattr(frame, "opcode", None), "name", "") == "TEXT":
            self._inbox.put(json.loads(bytes(frame.data)))


class Call:
    """A running pipeline; its inbox holds frames, and the server's events as dictionaries."""

    def __init__(self, *, spoken: bool, says: str | None, forced: bool) -> None:
        self.inbox = Inbox()
        self.ear, self.speaker = Ear(TRANSPORT), Speaker(TRANSPORT)
        self.microphone = Microphone(self.ear.send)
        self.cities: list[str] = []
        self.properties = SessionProperties(
            output_modalities=["audio" if spoken else "text"],
            tool_choice="required" if forced else None,
            audio=AudioConfiguration(
                input=AudioInput(
                    transcription=InputAudioTranscription(),
                    turn_detection=TurnDetection(silence_duration_ms=400),
                )
            ),
        )
        self.llm = OpenAIRealtimeLLMService(
            api_key=OPTIONS.key,
            base_url=f"{OPTIONS.url.replace('http', 'ws', 1)}/v1/realtime",
            settings=OpenAIRealtimeLLMService.Settings(
                system_instruction="Be brief.",
                session_properties=self.properties,
            ),
        )
        weather = FunctionSchema(
            name="get_weather",
            description="The weather of a city.",
            properties={"city": {"type": "string"}},
            required=["city"],
            handler=self._get_weather,
        )
        messages: list[Any] = [{"role": "user", "content": says}] if says else []
        self.context = LLMContext(messages, tools=ToolsSchema(standard_tools=[weather]))
        user, assistant = LLMContextAggregatorPair(self.context)
        self.worker = PipelineWorker(
            Pipeline([self.ear, user, self.llm, self.speaker, assistant]),
            params=PipelineParams(audio_in_sample_rate=RATE_HZ, audio_out_sample_rate=RATE_HZ),
            observers=[Watcher(self.inbox)],
            enable_rtvi=False,
            idle_timeout_secs=None,
        )

    async def _get_weather(self, call: FunctionCallParams) -> None:
        self.cities.append(str(call.arguments["city"]))
        # the service has no tool choice of one response: the session's goes back, so that the next may speak
        properties = self.properties.model_copy(update={"tool_choice": "auto"})
        delta = OpenAIRealtimeLLMService.Settings(session_properties=properties)
        after = len(self.inbox.all)
        await self.worker.queue_frames([LLMUpdateSettingsFrame(delta=delta)])
        await self.event("session.updated", after=after)
        await call.result_callback({"celsius": 21})

    async def run(self) -> None:
        """Queue the run of the context: the model speaks first."""
        await self.worker.queue_frames([LLMRunFrame()])

    async def frame(self, kind: type[Frame], *, after: int = 0) -> tuple[int, Any]:
        """Wait for a frame of this kind; return its index and the frame."""
        index = await self.inbox.until(lambda thing: isinstance(thing, kind), kind.__name__, after=after)
        return index, self.inbox.all[index]

    async def event(self, kind: str, *, after: int = 0, response_id: str | None = None) -> tuple[int, Any]:
        """Wait for an event of the server; return its index and the event."""

        def wanted(thing: Any) -> bool:
            if not isinstance(thing, dict) or thing["type"] != kind:
                return False
            return response_id is None or thing["response"]["id"] == response_id

        index = await self.inbox.until(wanted, kind, after=after)
        return index, self.inbox.all[index]

    def said(self) -> str:
        """Return the text of the answers so far."""
        return "".join(thing.text for thing in self.inbox.all if isinstance(thing, LLMTextFrame))


@contextlib.asynccontextmanager
async def call(*, spoken: bool = True, says: str | None = None, forced: bool = False) -> AsyncGenerator[Call]:
    """Run the pipeline until the block ends."""
    one = Call(spoken=spoken, says=says, forced=forced)
    wire, library = Wire(one.inbox), logging.getLogger("websockets.client")
    library.setLevel(logging.DEBUG)
    library.propagate = False
    library.addHandler(wire)
    started = asyncio.Event()
    one.worker.add_event_handler("on_pipeline_started", lambda *_: started.set())
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(one.worker)
    running = asyncio.create_task(runner.run(), name="runner")
    microphone: asyncio.Task[None] | None = None
    try:
        await asyncio.wait_for(started.wait(), 10 * OPTIONS.patience)
        microphone = asyncio.create_task(one.microphone.run(), name="microphone")
        await one.event("session.updated")
        yield one
        expect(not running.done(), "the pipeline ended by itself")
    finally:
        if microphone:
            microphone.cancel()
        await runner.cancel()
        await asyncio.wait_for(running, 10)
        library.removeHandler(wire)


async def connect() -> str:
    """The pipeline starts and its session is configured."""
    async with call() as one:
        _, created = await one.event("session.created")
        _, updated = await one.event("session.updated")
        vad = updated["session"]["audio"]["input"]["turn_detection"]
        expect(created["session"]["type"] == "realtime", f"session: {created}")
        expect(vad["silence_duration_ms"] == 400, f"turn_detection: {vad}")
        await asyncio.sleep(0.3)
        return "session.created, session.updated"


async def text_turn() -> str:
    """A context with a typed question, a written answer."""
    async with call(spoken=False, says="Say something.") as one:
        await one.run()
        _, done = await one.event("response.done")
        await one.frame(LLMFullResponseEndFrame)
        expect(done["response"]["status"] == "completed", f"status: {done['response']['status']}")
        expect(one.said() == done["response"]["output"][0]["content"][0]["text"], f"frames say {one.said()!r}")
        return f"{len(one.said())} characters"


async def audio_turn() -> str:
    """A spoken question found by the server's VAD, a spoken answer played to its end."""
    async with call() as one:
        one.microphone.say(QUESTION)
        _, heard = await one.frame(TranscriptionFrame)
        expect(heard.text, "nothing was heard")
        playing, _ = await one.frame(BotStartedSpeakingFrame)
        await one.frame(BotStoppedSpeakingFrame, after=playing)
        expect(one.said() and one.speaker.played_s > 0.2, f"{one.said()!r}, {one.speaker.played_s:.1f} s")
        await asyncio.sleep(0.2)
        roles = [message["role"] for message in one.context.get_messages()]
        expect(roles == ["user", "assistant"], f"the context holds {one.context.get_messages()}")
        return f"heard {heard.text!r}, {one.speaker.played_s:.1f} s of speech played"


async def tool_call() -> str:
    """The registered function runs, its result goes back, the answer comes."""
    async with call(spoken=False, says="Use get_weather to tell me about Paris.", forced=True) as one:
        await one.run()
        called, _ = await one.frame(FunctionCallResultFrame)
        expect(len(one.cities) == 1, f"calls: {one.cities}")
        begun, created = await one.event("response.created", after=called)
        await one.event("response.done", after=begun, response_id=created["response"]["id"])
        await one.frame(LLMFullResponseEndFrame, after=begun)
        expect(one.said(), "no answer to the result")
        return f"get_weather({one.cities[0]!r}), then {one.said()[:30]!r}…"


async def barge_in() -> str:
    """Speech while the answer plays interrupts it; the new question is answered."""
    async with call() as one:
        one.microphone.say(QUESTION)
        playing, _ = await one.frame(BotStartedSpeakingFrame)
        _, first = await one.event("response.created")
        await asyncio.sleep(HEARD_S)
        one.microphone.say(QUESTION)
        cut, _ = await one.frame(InterruptionFrame, after=playing)
        started, _ = await one.event("input_audio_buffer.speech_started", after=playing)
        await one.frame(BotStoppedSpeakingFrame, after=playing)
        ended, done = await one.event("response.done", response_id=first["response"]["id"])
        status = done["response"]["status"]
        expect(ended < started or status == "cancelled", f"the first answer went on: {status}")
        _, truncated = await one.event("conversation.item.truncated", after=playing)
        again, _ = await one.frame(BotStartedSpeakingFrame, after=cut)
        await one.frame(BotStoppedSpeakingFrame, after=again)
        _, second = await one.event("response.done", after=max(cut, ended + 1))
        expect(second["response"]["status"] == "completed", f"second answer: {second['response']['status']}")
        return f"first answer {status}, cut at {truncated['audio_end_ms']} ms, second completed"


async def truncate() -> str:
    """An interrupted answer is cut where it was heard, on the server too."""
    async with call(says="Say something long.") as one:
        await one.run()
        playing, _ = await one.frame(BotStartedSpeakingFrame)
        await one.event("response.done")
        await asyncio.sleep(0.5)
        said = one.said()
        await one.worker.queue_frames([InterruptionFrame()])
        _, truncated = await one.event("conversation.item.truncated", after=playing)
        item = await asyncio.wait_for(one.llm.retrieve_conversation_item(truncated["item_id"]), 5 * OPTIONS.patience)
        content = item.content[0]
        kept_ms = len(base64.b64decode(content.audio or "")) / 48
        expect(kept_ms <= truncated["audio_end_ms"], f"{kept_ms:.0f} ms are kept of {truncated}")
        kept = content.transcript or ""
        expect(said.startswith(kept.strip()) and len(kept) < len(said), f"{said!r} became {kept!r}")
        return f"{truncated['audio_end_ms']} ms: {said!r} became {kept!r}"


async def main() -> int:
    """Play them all."""
    stage = Stage("pipecat", "pipecat-ai", COMPLAINTS, OPTIONS)
    return await stage.play(
        {
            "connect": connect,
            "text_turn": text_turn,
            "audio_turn": audio_turn,
            "tool_call": tool_call,
            "barge_in": barge_in,
            "truncate": truncate,
        }
    )


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))

"""LiveKit Agents (`AgentSession` over the OpenAI plugin's `RealtimeModel`) through the six scenarios."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import sys
import time
from collections.abc import AsyncGenerator
from typing import Any

from livekit import rtc
from livekit.agents import Agent, AgentSession, RunContext, function_tool
from livekit.agents.voice.io import AudioInput, AudioOutput, AudioOutputCapabilities
from livekit.plugins.openai.realtime import RealtimeModel
from stage import HEARD_S, RATE_HZ, Complaints, Inbox, Microphone, Stage, arguments, expect, question

OPTIONS = arguments()
QUESTION = question(OPTIONS.audio)
COMPLAINTS = Complaints("livekit", "asyncio", "aiohttp", "opentelemetry")


class Ear(AudioInput):
    """What the agent hears: frames from the microphone."""

    def __init__(self) -> None:
        super().__init__(label="microphone")
        self._frames: asyncio.Queue[rtc.AudioFrame] = asyncio.Queue()

    async def send(self, pcm: bytes) -> None:
        """Hand one frame of the microphone on."""
        await self._frames.put(rtc.AudioFrame(pcm, RATE_HZ, 1, len(pcm) // 2))

    async def __anext__(self) -> rtc.AudioFrame:
        return await self._frames.get()


class Speaker(AudioOutput):
    """Plays at the pace of the clock, and tells how far it got when interrupted."""

    def __init__(self, inbox: Inbox) -> None:
        super().__init__(label="speaker", capabilities=AudioOutputCapabilities(pause=False), sample_rate=RATE_HZ)
        self._inbox = inbox
        self._since: float | None = None
        self._taken_s = 0.0
        self._end: asyncio.Task[None] | None = None

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        """Take a frame; the first one starts to play at once."""
        await super().capture_frame(frame)
        if self._since is None:
            self._since, self._taken_s = time.monotonic(), 0.0
            self.on_playback_started(created_at=time.time())
            self._inbox.put(("playing", None))
        self._taken_s += frame.duration

    def flush(self) -> None:
        """The segment is complete: it is over when it has been played."""
        super().flush()
        if self._since is not None and self._end is None:
            self._end = asyncio.create_task(self._play_out(), name="speaker")

    async def _play_out(self) -> None:
        assert self._since is not None
        await asyncio.sleep(max(self._since + self._taken_s - time.monotonic(), 0))
        self._finish(self._taken_s, interrupted=False)

    def clear_buffer(self) -> None:
        """Stop playing now."""
        if self._since is not None:
            if self._end:
                self._end.cancel()
            self._finish(min(time.monotonic() - self._since, self._taken_s), interrupted=True)

    def _finish(self, position_s: float, *, interrupted: bool) -> None:
        self._since, self._end = None, None
        self._inbox.put(("interrupted" if interrupted else "played", position_s))
        self.on_playback_finished(playback_position=position_s, interrupted=interrupted)


class Voice(Agent):
    """An agent with one tool."""

    def __init__(self) -> None:
        super().__init__(instructions="Be brief.")
        self.cities: list[str] = []

    @function_tool
    async def get_weather(self, context: RunContext[Any], city: str) -> str:
        """The weather of a city."""
        self.cities.append(city)
        return "21 degrees"


def model(**options: Any) -> RealtimeModel:
    """Return the plugin's model, pointed at the server."""
    return RealtimeModel(base_url=f"{OPTIONS.url}/v1", api_key=OPTIONS.key, **options)


class Call:
    """A running AgentSession; its inbox holds (name, value) of server events, speaker and session."""

    def __init__(self, *, spoken: bool) -> None:
        self.inbox = Inbox()
        self.ear = Ear()
        self.microphone = Microphone(self.ear.send)
        self.agent = Voice()
        self.model = model() if spoken else model(modalities=["text"])
        self.session: AgentSession[Any] = AgentSession(
            llm=self.model,
            vad=None,
            turn_handling={"turn_detection": "realtime_llm", "interruption": {"resume_false_interruption": False}},
            aec_warmup_duration=None,
            user_away_timeout=None,
        )
        if spoken:
            self.session.input.audio = self.ear
            self.session.output.audio = Speaker(self.inbox)
        for name in ("user_input_transcribed", "conversation_item_added", "function_tools_executed"):
            self.session.on(name, lambda event, name=name: self.inbox.put((name, event)))
        self.session.on("error", lambda event: COMPLAINTS.add(f"session error: {event.error!r}"))

    async def start(self) -> None:
        """Start the session and hear the server's own events."""
        await self.session.start(self.agent, record=False)
        self.wire = self.agent.realtime_llm_session
        self.wire.on("openai_server_event_received", self._received)

    def _received(self, event: dict[str, Any]) -> None:
        # the plugin cancels even when the server has been first, and takes this answer for granted
        if event["type"] == "error" and event["error"]["code"] != "response_cancel_not_active":
            COMPLAINTS.add(f"error event: {event}")
        self.inbox.put((event["type"], event))

    async def next(self, name: str, *, after: int = 0, **fields: Any) -> tuple[int, Any]:
        """Wait for a thing of this name with these fields; return its index and its value."""

        def wanted(thing: tuple[str, Any]) -> bool:
            return thing[0] == name and all(thing[1].get(key) == value for key, value in fields.items())

        index = await self.inbox.until(wanted, f"{name} {fields or ''}", after=after)
        return index, self.inbox.all[index][1]

    async def message(self, role: str, *, after: int = 0) -> tuple[int, Any]:
        """Wait for a message of this role in the session's history."""
        index = await self.inbox.until(
            lambda thing: thing[0] == "conversation_item_added" and getattr(thing[1].item, "role", None) == role,
            f"a message of the {role} in the history",
            after=after,
        )
        return index, self.inbox.all[index][1].item


@contextlib.asynccontextmanager
async def call(*, spoken: bool = True) -> AsyncGenerator[Call]:
    """Run an agent session with a microphone and a speaker."""
    one = Call(spoken=spoken)
    microphone = asyncio.create_task(one.microphone.run(), name="microphone")
    try:
        await one.start()
        yield one
    finally:
        microphone.cancel()
        await asyncio.gather(microphone, return_exceptions=True)
        await one.session.aclose()
        await one.model.aclose()


async def connect() -> str:
    """The plugin's default configuration is accepted."""
    realtime_model = model()
    inbox = Inbox()
    session = realtime_model.session()
    session.on("openai_server_event_received", inbox.put)
    session.on("error", lambda event: COMPLAINTS.add(f"session error: {event.error!r}"))
    try:
        await session.update_instructions("Be brief.")
        await inbox.until(lambda event: event["type"] == "session.created", "session.created")
        index = await inbox.until(
            lambda event: event["type"] == "session.updated" and event["session"].get("instructions") == "Be brief.",
            "session.updated with the instructions",
        )
        audio = inbox.all[index]["session"]["audio"]
        expect(audio["input"]["turn_detection"]["type"] == "semantic_vad", f"session: {audio}")
        expect(audio["output"]["voice"] == "marin", f"voice: {audio['output']}")
        return "session.created, session.updated"
    finally:
        await session.aclose()
        await realtime_model.aclose()


async def text_turn() -> str:
    """A typed question, a written answer."""
    async with call(spoken=False) as one:
        handle = one.session.generate_reply(user_input="Say something.")
        await asyncio.wait_for(handle, 15 * OPTIONS.patience)
        expect(handle.exception() is None, f"the reply failed: {handle.exception()!r}")
        messages = [item for item in one.session.history.items if item.type == "message"]
        roles = [item.role for item in messages]
        expect(roles == ["user", "assistant"], f"history: {roles}")
        expect(messages[1].text_content and not messages[1].interrupted, f"answer: {messages[1]}")
        _, done = await one.next("response.done")
        expect(done["response"]["status"] == "completed", f"status {done['response']['status']}")
        return f"{len(messages[1].text_content)} characters"


async def audio_turn() -> str:
    """A spoken question found by the server, a spoken answer played to its end."""
    async with call() as one:
        one.microphone.say(QUESTION)
        index = await one.inbox.until(
            lambda thing: thing[0] == "user_input_transcribed" and thing[1].is_final, "the final transcript"
        )
        heard = one.inbox.all[index][1].transcript
        expect(heard, "nothing was heard")
        _, played_s = await one.next("played")
        _, asked = await one.message("user")
        expect(asked.text_content == heard, f"the history says {asked.text_content!r}, heard {heard!r}")
        _, answer = await one.message("assistant")
        expect(answer.text_content and played_s > 0.2, f"answer {answer.text_content!r}, {played_s:.1f} s")
        return f"heard {heard!r}, {played_s:.1f} s of speech played"


async def tool_call() -> str:
    """The agent's tool runs, its result goes back, the answer comes."""
    async with call(spoken=False) as one:
        handle = one.session.generate_reply(
            user_input="Use get_weather to tell me about Paris.", tool_choice="required"
        )
        await asyncio.wait_for(handle, 20 * OPTIONS.patience)
        expect(handle.exception() is None, f"the reply failed: {handle.exception()!r}")
        expect(len(one.agent.cities) == 1, f"calls: {one.agent.cities}")
        await one.next("function_tools_executed")

        _, answer = await one.message("assistant")
        expect(answer.text_content, "no answer to the result")
        kinds = [item.type for item in one.session.history.items if item.type.startswith(("me", "fu"))]
        expect(kinds == ["message", "function_call", "function_call_output", "message"], f"history: {kinds}")
        return f"get_weather({one.agent.cities[0]!r}), then {answer.text_content[:30]!r}…"


async def barge_in() -> str:
    """Speech while the answer plays stops it; the new question is answered."""
    async with call() as one:
        one.microphone.say(QUESTION)
        playing, _ = await one.next("playing")
        created, first = await one.next("response.created")
        await asyncio.sleep(HEARD_S)
        one.microphone.say(QUESTION)
        cut, position_s = await one.next("interrupted", after=playing)
        ended = await one.inbox.until(
            lambda thing: thing[0] == "response.done" and thing[1]["response"]["id"] == first["response"]["id"],
            "the end of the first answer",
        )
        status = one.inbox.all[ended][1]["response"]["status"]
        expect(ended < cut or status == "cancelled", f"the first answer went on after the barge-in: {status}")
        await one.next("conversation.item.truncated", after=created)
        played, _ = await one.next("played", after=cut)
        await one.message("assistant", after=played)
        answers = [m for m in one.session.history.items if m.type == "message" and m.role == "assistant"]
        expect(len(answers) == 2, f"history: {one.session.history.items}")
        expect(answers[0].interrupted and not answers[1].interrupted, "the wrong answer is marked interrupted")
        return f"first answer {status}, cut at {position_s:.1f} s, second completed"


async def truncate() -> str:
    """An interrupted answer is cut where it was heard, on the server too."""
    async with call() as one:
        one.session.generate_reply(user_input="Say something long.")
        await one.next("playing")
        await asyncio.sleep(1.0)
        said = "".join(thing[1]["delta"] for thing in one.inbox.all if thing[0].endswith("transcript.delta"))
        await asyncio.wait_for(one.session.interrupt(), 10 * OPTIONS.patience)
        _, truncated = await one.next("conversation.item.truncated")
        after = len(one.inbox.all)
        one.wire.send_event({"type": "conversation.item.retrieve", "item_id": truncated["item_id"]})
        _, retrieved = await one.next("conversation.item.retrieved", after=after)
        content = retrieved["item"]["content"][0]
        kept_ms = len(base64.b64decode(content.get("audio") or "")) / 48
        expect(kept_ms <= truncated["audio_end_ms"], f"{kept_ms:.0f} ms are kept of {truncated}")
        kept = content["transcript"]
        expect(said.startswith(kept.strip()) and len(kept) < len(said), f"{said!r} became {kept!r}")
        return f"{truncated['audio_end_ms']} ms: {said!r} became {kept!r}"


async def main() -> int:
    """Play them all."""
    stage = Stage("livekit", "livekit-plugins-openai", COMPLAINTS, OPTIONS)
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

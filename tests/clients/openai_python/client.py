"""The official Python client (`openai`, `client.realtime.connect`) through the six scenarios."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import sys
import typing
from collections.abc import AsyncGenerator
from typing import Any

import pydantic
import websockets
from openai import AsyncOpenAI
from openai.types.realtime import RealtimeServerEvent
from stage import HEARD_S, Complaints, Inbox, Microphone, MismatchError, Stage, arguments, expect, question

OPTIONS = arguments()
QUESTION = question(OPTIONS.audio)
COMPLAINTS = Complaints("openai", "websockets", "asyncio")
PCM = {"type": "audio/pcm", "rate": 24000}
SERVER_VAD = {"type": "server_vad", "silence_duration_ms": 400}
TOOL = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather of a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
MODELS: dict[str, type[pydantic.BaseModel]] = {
    typing.get_args(model.model_fields["type"].annotation)[0]: model
    for model in typing.get_args(typing.get_args(RealtimeServerEvent)[0])
}


def check(event: Any) -> None:
    """Hold an event against the client's own model of it: the client itself builds it unchecked."""
    if event.type not in MODELS:
        COMPLAINTS.add(f"{event.type} is no event of this client")
        return
    try:
        MODELS[event.type].model_validate(json.loads(event.to_json()))
    except pydantic.ValidationError as error:
        COMPLAINTS.add(f"{event.type} does not fit its model: {error}")


class Call:
    """A connection, everything that came over it, and a microphone."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.inbox = Inbox()
        self.microphone = Microphone(self._append)

    async def _append(self, pcm: bytes) -> None:
        await self.connection.input_audio_buffer.append(audio=base64.b64encode(pcm).decode())

    async def listen(self) -> None:
        """Keep every event until the connection ends."""
        async for event in self.connection:
            check(event)
            if event.type == "error":
                COMPLAINTS.add(f"error event: {event.to_json(indent=None)}")
            self.inbox.put(event)

    async def until(self, kind: str, *, after: int = 0, **fields: Any) -> int:
        """Wait for an event of this type with these attributes; return its index."""
        return await self.inbox.until(
            lambda event: event.type == kind and all(getattr(event, k) == v for k, v in fields.items()),
            f"{kind} {fields or ''}",
            after=after,
        )

    async def done(self, response_id: str, *, after: int = 0) -> Any:
        """Wait for the end of a response; return it."""
        index = await self.inbox.until(
            lambda event: event.type == "response.done" and event.response.id == response_id,
            "response.done",
            after=after,
        )
        return self.inbox.all[index].response

    def of(self, kind: str, response_id: str) -> list[Any]:
        """Return the events of this type that belong to the response."""
        return [e for e in self.inbox.all if e.type == kind and e.response_id == response_id]

    async def configure(self, **session: Any) -> Any:
        """Send a session.update; return the session that session.updated tells."""
        await self.connection.session.update(session={"type": "realtime", **session})
        return self.inbox.all[await self.until("session.updated", after=len(self.inbox.all))].session

    async def ask(self, text: str) -> None:
        """Add what the user typed."""
        content = [{"type": "input_text", "text": text}]
        await self.connection.conversation.item.create(item={"type": "message", "role": "user", "content": content})


@contextlib.asynccontextmanager
async def call() -> AsyncGenerator[Call]:
    """Connect as the documentation shows it, and listen."""
    client = AsyncOpenAI(api_key=OPTIONS.key, base_url=f"{OPTIONS.url}/v1", max_retries=0)
    async with client, client.realtime.connect(model="gpt-realtime-2.1") as connection:
        one = Call(connection)
        listener = asyncio.create_task(one.listen(), name="listen")
        microphone = asyncio.create_task(_talk(one), name="microphone")
        try:
            await one.until("session.created")
            yield one
            expect(not listener.done(), "the connection ended by itself")
        finally:
            microphone.cancel()
            listener.cancel()
            await asyncio.gather(microphone, listener, return_exceptions=True)


async def _talk(one: Call) -> None:
    with contextlib.suppress(websockets.ConnectionClosed):  # the listener reports it
        await one.microphone.run()


async def connect() -> str:
    """A key opens a session, a wrong one is refused before the upgrade, an update is echoed."""
    async with call() as one:
        first = one.inbox.all[0]
        expect(first.type == "session.created", f"the first event is {first.type}")
        expect(first.session.type == "realtime" and first.session.audio.output.voice, "no full session")
        session = await one.configure(instructions="Be brief.", audio={"input": {"turn_detection": SERVER_VAD}})
        expect(session.instructions == "Be brief.", f"instructions: {session.instructions!r}")
        vad = session.audio.input.turn_detection
        expect(vad.silence_duration_ms == 400 and vad.create_response is True, f"turn_detection: {vad}")
    wrong = AsyncOpenAI(api_key="sk-wrong", base_url=f"{OPTIONS.url}/v1", max_retries=0)
    try:
        async with wrong, wrong.realtime.connect(model="gpt-realtime-2.1"):
            raise MismatchError("a wrong key was let in")
    except websockets.InvalidStatus as refused:
        expect(refused.response.status_code == 401, f"a wrong key got HTTP {refused.response.status_code}")
    return "session.created, session.updated; a wrong key gets HTTP 401"


async def text_turn() -> str:
    """A typed question, a written answer, in the order of the documentation."""
    async with call() as one:
        await one.configure(output_modalities=["text"])
        start = len(one.inbox.all)
        await one.ask("Say something.")
        await one.connection.response.create()
        created = one.inbox.all[await one.until("response.created")].response
        response = await one.done(created.id)
        expect(response.status == "completed", f"status {response.status}: {response.status_details}")
        text = "".join(event.delta for event in one.of("response.output_text.delta", created.id))
        expect(text, "no text")
        expect(text == one.of("response.output_text.done", created.id)[0].text, "done differs from the deltas")
        expect(response.output[0].content[0].text == text, "response.done differs from the deltas")
        kinds = [event.type for event in one.inbox.all[start:] if not event.type.startswith("rate_limits")]
        wanted = [
            *("conversation.item.added", "conversation.item.done", "response.created"),
            *("response.output_item.added", "conversation.item.added", "response.content_part.added"),
            *("response.output_text.delta", "response.output_text.done", "response.content_part.done"),
            *("response.output_item.done", "conversation.item.done", "response.done"),
        ]
        order = [kind for index, kind in enumerate(kinds) if index == 0 or kinds[index - 1] != kind]
        expect(order == wanted, f"order: {order}")
        return f"{len(text)} characters"


async def audio_turn() -> str:
    """A spoken question found by the server's VAD, a spoken answer."""
    async with call() as one:
        await one.configure(
            audio={
                "input": {"format": PCM, "turn_detection": SERVER_VAD, "transcription": {"model": "whisper-1"}},
                "output": {"format": PCM, "voice": "alloy"},
            }
        )
        one.microphone.say(QUESTION)
        started = await one.until("input_audio_buffer.speech_started")
        item_id = one.inbox.all[started].item_id
        await one.until("input_audio_buffer.speech_stopped", after=started, item_id=item_id)
        await one.until("input_audio_buffer.committed", after=started, item_id=item_id)
        created = one.inbox.all[await one.until("response.created", after=started)].response
        response = await one.done(created.id)
        heard = await one.until("conversation.item.input_audio_transcription.completed", item_id=item_id)
        transcript = one.inbox.all[heard].transcript
        expect(transcript, "nothing was heard")
        expect(response.status == "completed", f"status {response.status}: {response.status_details}")
        deltas = one.of("response.output_audio.delta", created.id)
        spoken_s = sum(len(base64.b64decode(event.delta)) for event in deltas) / 48_000
        said = "".join(event.delta for event in one.of("response.output_audio_transcript.delta", created.id))
        expect(spoken_s > 0.2 and said, f"{spoken_s:.1f} s of speech, transcript {said!r}")
        expect(said == response.output[0].content[0].transcript, "the transcripts differ")
        return f"heard {transcript!r}, {spoken_s:.1f} s of speech"


async def tool_call() -> str:
    """A forced tool is called, its result is sent back, the answer comes."""
    async with call() as one:
        await one.configure(tools=[TOOL], output_modalities=["text"])
        await one.ask("Use get_weather to tell me about Paris.")
        await one.connection.response.create(response={"tool_choice": "required"})
        created = one.inbox.all[await one.until("response.created")].response
        response = await one.done(created.id)
        item = response.output[0]
        expect(item.type == "function_call" and item.name == "get_weather", f"output: {item}")
        arguments_done = one.of("response.function_call_arguments.done", created.id)[0]
        expect(arguments_done.call_id == item.call_id, "call ids differ")
        expect("city" in json.loads(item.arguments), f"arguments: {item.arguments}")
        output = {"type": "function_call_output", "call_id": item.call_id, "output": '{"celsius": 21}'}
        after = len(one.inbox.all)
        await one.connection.conversation.item.create(item=output)
        await one.connection.response.create()
        answer = one.inbox.all[await one.until("response.created", after=after)].response
        response = await one.done(answer.id)
        expect(response.status == "completed" and response.output[0].content[0].text, f"answer: {response}")
        return f"{item.name}({item.arguments})"


async def barge_in() -> str:
    """Speech during an answer ends it; the new question is answered."""
    async with call() as one:
        await one.configure(audio={"input": {"turn_detection": SERVER_VAD}})
        one.microphone.say(QUESTION)
        first = one.inbox.all[await one.until("response.created")].response
        await one.until("response.output_audio.delta", response_id=first.id)
        await asyncio.sleep(HEARD_S)
        after = len(one.inbox.all)
        one.microphone.say(QUESTION)
        again = await one.until("input_audio_buffer.speech_started", after=after)
        ended = await one.done(first.id)
        index = next(i for i, e in enumerate(one.inbox.all) if e.type == "response.done" and e.response.id == first.id)
        if index > again:
            expect(ended.status == "cancelled", f"the first answer went on after the barge-in: {ended.status}")
            expect(ended.status_details.reason == "turn_detected", f"reason {ended.status_details.reason}")
        second = one.inbox.all[await one.until("response.created", after=again)].response
        response = await one.done(second.id)
        expect(response.status == "completed", f"second answer: {response.status}")
        late = [e.type for e in one.inbox.all[index + 1 :] if getattr(e, "response_id", "") == first.id]
        expect(not late, f"events of the first answer after its end: {late}")
        return f"first answer {ended.status}, second completed"


async def truncate() -> str:
    """An answer heard for one second is cut there, for the model too."""
    async with call() as one:
        await one.ask("Say something long.")
        await one.connection.response.create()
        created = one.inbox.all[await one.until("response.created")].response
        response = await one.done(created.id)
        item = response.output[0]
        full = item.content[0].transcript
        for end_ms in (10_000_000, 1000):  # a client's own clock may run past the end: no error
            after = len(one.inbox.all)
            await one.connection.conversation.item.truncate(item_id=item.id, content_index=0, audio_end_ms=end_ms)
            await one.until("conversation.item.truncated", after=after, item_id=item.id)
        after = len(one.inbox.all)
        await one.connection.conversation.item.retrieve(item_id=item.id)
        cut = one.inbox.all[await one.until("conversation.item.retrieved", after=after)].item.content[0]
        kept_ms = len(base64.b64decode(cut.audio or "")) / 48
        expect(kept_ms <= 1000, f"{kept_ms:.0f} ms of audio are kept")
        expect(cut.transcript and full.startswith(cut.transcript.strip()), f"transcript {cut.transcript!r}")
        expect(len(cut.transcript) < len(full), "the transcript is still whole")
        return f"{full!r} became {cut.transcript!r}"


async def main() -> int:
    """Play them all."""
    stage = Stage("openai-python", "openai", COMPLAINTS, OPTIONS)
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
